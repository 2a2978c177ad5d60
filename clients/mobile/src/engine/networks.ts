import type { InferenceSession, Tensor } from "onnxruntime-web/wasm";

import { Problem } from "../../../web/src/gateway/problem";
import { type Face, FACE_BYTES, FACE_SIZE, type Network, type Outputs } from "../cascade/contract";
import { ENGINE, prepare, type Raw, SIDE } from "../faces/blazeface";
import type { Known, Package } from "./package";

export type Backend = "webgpu" | "wasm";

/** The part of ONNX Runtime that is used; its builds for either backend have it. */
export interface Runtime {
  env: { wasm: { numThreads?: number }; logLevel?: string };
  InferenceSession: { create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  Tensor: new (type: "uint8" | "float32", data: Uint8Array | Float32Array, dims: number[]) => Tensor;
}

/** How far a value may be from the known one: INT8 rounds differently from processor to processor. */
const TOLERANCE = 0.25;
/** The face detector's outputs: logits of both grids, then boxes of both. */
const [LOGITS, BOXES] = [["Identity:0", "Identity_1:0"], ["Identity_2:0", "Identity_3:0"]] as const;

/** The networks, ready to run one face at a time. */
export class Networks {
  private constructor(
    readonly backend: Backend,
    private readonly runtime: Runtime,
    private readonly sessions: Record<string, InferenceSession>,
  ) {}

  /**
   * Starts the networks on a backend and holds them against known answers.
   *
   * @throws Problem `engine_wrong` where a network says something else.
   */
  static async start(backend: Backend, runtime: Runtime, { graphs, known }: Package): Promise<Networks> {
    // Threads need headers that static hosts and app shells do not send, and gain little at these sizes.
    runtime.env.wasm.numThreads = 1;
    runtime.env.logLevel = "error";
    const networks = new Networks(backend, runtime, {});
    for (const [name, graph] of Object.entries(graphs)) {
      networks.sessions[name] = await runtime.InferenceSession.create(graph, {
        executionProviders: [backend],
        logSeverityLevel: 3, // Errors alone: warnings are about the graphs, which were checked.
      });
      if (known[name]) await networks.check(name as Network, known[name]);
    }
    return networks;
  }

  /** Runs one network on one face. */
  async run(network: Network, { pixels }: Pick<Face, "pixels">): Promise<Outputs> {
    const face = new this.runtime.Tensor("uint8", pixels, [1, FACE_SIZE, FACE_SIZE, 3]);
    const outputs = await this.sessions[network]!.run({ face });
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
  }

  /** Runs the face detector on RGBA of its size. */
  async look(rgba: ArrayLike<number>): Promise<Raw[]> {
    const session = this.sessions[ENGINE]!;
    const input = new this.runtime.Tensor("float32", prepare(rgba), [1, SIDE, SIDE, 3]);
    const outputs = await session.run({ [session.inputNames[0]!]: input });
    const data = (name: string) => outputs[name]!.data as Float32Array;
    return [0, 1].map((grid) => ({ logits: data(LOGITS[grid]!), boxes: data(BOXES[grid]!) }));
  }

  private async check(network: Network, known: Known[string]): Promise<void> {
    const outputs = await this.run(network, { pixels: knownFace() });
    for (const [name, values] of Object.entries(known))
      for (const [index, value] of values.entries())
        if (!(Math.abs(outputs[name]![index]! - value) <= TOLERANCE))
          throw new Problem("engine_wrong", null, `${network} (${this.backend}): ${outputs[name]![index]}, not ${value}`);
  }
}

/** Starts on WebGPU where there is one that says what is known to be right, else on WebAssembly. */
export async function startNetworks(content: Package): Promise<Networks> {
  if (await hasGpu()) {
    try {
      return await Networks.start("webgpu", (await import("onnxruntime-web/webgpu")) as unknown as Runtime, content);
    } catch (error) {
      // Drivers that lack an operator or calculate wrongly are common.
      console.warn(`WebGPU is not used: ${String(error)}`);
    }
  }
  return Networks.start("wasm", (await import("onnxruntime-web/wasm")) as unknown as Runtime, content);
}

/** The picture of `export/browser.py` whose scores are known. */
export function knownFace(): Uint8Array {
  return Uint8Array.from({ length: FACE_BYTES }, (_, index) => (7 * index + (index >> 8)) & 255);
}

async function hasGpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  return gpu !== undefined && (await gpu.requestAdapter().catch(() => null)) !== null;
}
