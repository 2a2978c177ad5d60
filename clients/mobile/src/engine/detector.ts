import type { Verdict } from "../../../web/src/gateway/types";
import { cascade } from "../cascade/cascade";
import type { Outputs } from "../cascade/contract";
import { cropFace, type Picture } from "../cascade/crop";
import { decide } from "../cascade/trees";
import { outcome } from "../cascade/verdict";
import { read, SIDE } from "../faces/blazeface";
import { search } from "../faces/search";
import type { Networks } from "./networks";
import type { Package } from "./package";

/** A picture that can also be looked at in squares of the face detector's size. */
export interface Searchable extends Picture {
  square(left: number, top: number, side: number): ArrayLike<number>;
}

/** How hard to look. */
export interface Effort {
  /** Whether to look for small faces, too. */
  thorough: boolean;
  /** Most faces judged, the largest. */
  faces: number;
}

/** A picture in, a verdict out: the on-device twin of `awarenet/detector.py`. */
export class Detector {
  constructor(
    private readonly content: Package,
    private readonly networks: Networks,
  ) {}

  async judge(picture: Searchable, name: string, { thorough, faces: most }: Effort): Promise<Verdict> {
    const { model, policy, trees } = this.content;
    const begun = performance.now();
    const look = async (left: number, top: number, side: number) =>
      read(await this.networks.look(picture.square(left, top, side))).map(({ box, score }) => {
        const [x, y, width, height] = box.map((value) => (value * side) / SIDE) as typeof box;
        return { box: [x + left, y + top, width, height] as typeof box, score };
      });
    const found = await search(picture.width, picture.height, look, thorough);
    const boxes = found.slice(0, most);
    const faces = boxes.map((box) => cropFace(picture, box));
    const detected = performance.now();
    const steps = cascade(faces, false, policy, (evidence) => decide(trees, evidence));
    let step = steps.next();
    while (!step.done) {
      const { stages, rows } = step.value;
      const answers: Outputs[][] = [];
      for (const stage of stages) {
        const outputs: Outputs[] = [];
        for (const row of rows) outputs.push(await this.networks.run(stage, faces[row]!));
        answers.push(outputs);
      }
      step = steps.next(answers);
    }
    const decisions = step.value;
    const judged = boxes.map((box, row) => ({ box, facePx: faces[row]!.facePx, decision: decisions[row]! }));
    const { notes, ...told } = outcome(judged, model.thresholds);
    if (found.length > most) notes.push(`more than ${most} faces at once, only the largest were scored`);
    notes.push(`judged on this device (${this.networks.backend}), faces found by BlazeFace`);
    return {
      path: name,
      ...told,
      notes,
      model_version: model.model_version,
      policy_version: model.policy_version,
      face_engine: model.face_engine,
      error: null,
      error_code: null,
      timings_ms: { detect: detected - begun, score: performance.now() - detected },
      duration_s: null,
      scene_cuts_s: [],
      skipped: {},
    };
  }
}
