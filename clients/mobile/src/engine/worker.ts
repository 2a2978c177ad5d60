/** The thread that loads the models and judges, so that the page never stands still. One question at a time. */
import { Problem } from "../../../web/src/gateway/problem";
import type { Verdict } from "../../../web/src/gateway/types";
import { BitmapPicture } from "./bitmap";
import { Detector } from "./detector";
import { startNetworks } from "./networks";
import { fetchFrom, loadPackage } from "./package";
import type { Answer, Question, Started } from "./protocol";

const scope = self as unknown as {
  onmessage: (message: MessageEvent<Question>) => void;
  postMessage(answer: Answer): void;
};
let detector: Detector | null = null;
let turn: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  turn = turn.then(async () => {
    try {
      scope.postMessage({ id: data.id, value: await answer(data) });
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem("engine_failed", null, String(error));
      scope.postMessage({ id: data.id, code: problem.code, detail: problem.detail });
    }
  });
};

async function answer(question: Question): Promise<Started | Verdict> {
  if (question.ask === "start") {
    const content = await loadPackage(fetchFrom(question.models, question.fresh), question.manifest);
    const networks = await startNetworks(content);
    detector = new Detector(content, networks);
    return { model: content.model, backend: networks.backend };
  }
  try {
    if (!detector) throw new Problem("engine_failed", null, "not started");
    return await detector.judge(new BitmapPicture(question.bitmap), question.name, question.effort);
  } finally {
    question.bitmap.close();
  }
}
