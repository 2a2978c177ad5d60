import { Problem } from "../../../web/src/gateway/problem";
import type { Model, Verdict } from "../../../web/src/gateway/types";
import type { Effort } from "./detector";
import type { Backend } from "./networks";
import type { Answer, Question, Started } from "./protocol";

type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;

/** This device as a judge: the page's side of the worker. */
export class Device {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(problem: Problem): void }>();
  private next = 0;
  private started: Started | null = null;

  private constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const asked = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("value" in data) asked?.resolve(data.value);
      else asked?.reject(new Problem(data.code, null, data.detail));
    };
    this.worker.onerror = (event) => {
      for (const asked of this.waiting.values()) asked.reject(new Problem("engine_failed", null, event.message ?? ""));
      this.waiting.clear();
    };
  }

  /**
   * Loads and verifies the models.
   *
   * @param models Address of their folder.
   * @param manifest sha256 of their manifest.
   * @param fresh Whether to get them anew, past every cache.
   * @throws Problem
   */
  static async start(models: string, manifest: string, fresh: boolean): Promise<Device> {
    const device = new Device();
    try {
      device.started = (await device.ask({ ask: "start", models, manifest, fresh })) as Started;
      return device;
    } catch (error) {
      device.worker.terminate();
      throw error;
    }
  }

  get model(): Model {
    return this.started!.model;
  }

  get backend(): Backend {
    return this.started!.backend;
  }

  /** Judges a picture, which is used up. */
  judge(bitmap: ImageBitmap, name: string, effort: Effort): Promise<Verdict> {
    return this.ask({ ask: "judge", bitmap, name, effort }, [bitmap]) as Promise<Verdict>;
  }

  private ask(question: Unnumbered<Question>, transfer: Transferable[] = []): Promise<unknown> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...question, id }, transfer);
    });
  }
}
