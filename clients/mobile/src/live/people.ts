import type { Box, Face, LiveTrack, Thresholds } from "../../../web/src/gateway/types";
import { logit, sigmoid, wordFor } from "../../../web/src/people";
import { overlap } from "../faces/blazeface";

/** Time constant of the smoothing of logits, as `awarenet/video/live.py` has it. */
const SMOOTHING_S = 1;
/** Seconds of evidence, as faded by the smoothing, below which a person is `uncertain`. */
const SETTLE_S = 0.4;
/** A score speaks for the time since the one before, but for no more than this. */
const LONGEST_S = 0.5;
const FORGET_S = 2;
/** One frame that is sure beyond reason must not outweigh a second. */
const LIMIT = 6;
const SAME = 0.25;

interface Person {
  track: number;
  box: Box;
  seen_s: number;
  /** Logits times the seconds that they speak for, and those seconds, both faded. */
  sum: number;
  weight: number;
}

/** Follows people through a live picture and smooths their scores. Pure: the caller has the clock. */
export class People {
  private people: Person[] = [];
  private next = 0;

  constructor(private readonly thresholds: Thresholds) {}

  /** Takes the faces of a frame, and says who is in it. */
  see(faces: Face[], time_s: number): LiveTrack[] {
    this.people = this.people.filter(({ seen_s }) => time_s - seen_s <= FORGET_S);
    const left = new Set(this.people);
    return faces.map((face) => {
      const person = nearest(face.box, left) ?? this.welcome(face.box, time_s);
      left.delete(person);
      const spent = Math.min(LONGEST_S, person.weight ? time_s - person.seen_s : LONGEST_S / 2);
      const fade = Math.exp(-(time_s - person.seen_s) / SMOOTHING_S);
      person.sum = person.sum * fade + spent * Math.min(LIMIT, Math.max(-LIMIT, logit(face.probability)));
      person.weight = person.weight * fade + spent;
      Object.assign(person, { box: face.box, seen_s: time_s });
      const probability = sigmoid(person.sum / Math.max(person.weight, 1e-9));
      const verdict = person.weight < SETTLE_S ? "uncertain" : wordFor(probability, this.thresholds);
      return { track: person.track, verdict, probability, box: face.box, seen_s: time_s };
    });
  }

  private welcome(box: Box, seen_s: number): Person {
    const person = { track: this.next++, box, seen_s, sum: 0, weight: 0 };
    this.people.push(person);
    return person;
  }
}

function nearest(box: Box, people: Set<Person>): Person | null {
  let best: Person | null = null;
  let most = SAME;
  for (const person of people) {
    const [union] = overlap(box, person.box);
    if (union > most) [best, most] = [person, union];
  }
  return best;
}
