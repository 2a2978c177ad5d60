import { type Evidence, type Feature, FEATURES } from "./contract";

/** One tree as columns; node 0 is the root, and a leaf has the feature -1. */
interface Tree {
  feature: number[];
  /** Values at or under it go left. */
  threshold: number[];
  left: number[];
  right: number[];
  /** Whether a missing value goes left. */
  missing_left: boolean[];
  value: number[];
}

/** The meta-model as `python -m export browser` writes it. */
export interface Trees {
  features: Feature[];
  /** sha256 of the C source that these trees are. */
  source: string;
  sigmoid_alpha: number;
  trees: Tree[];
}

/** The meta-model's P(fake): the float32 that the compiled trees give. */
export function decide({ features, sigmoid_alpha, trees }: Trees, evidence: Evidence): number {
  // The compiled trees get floats, widened.
  const row = features.map((feature) => Math.fround(evidence[feature]));
  let score = 0;
  for (const tree of trees) score += leaf(tree, row);
  return Math.fround(1 / (1 + Math.exp(-sigmoid_alpha * score)));
}

/** Whether the trees take the features that the cascade gives. */
export function fits({ features }: Trees): boolean {
  return features.length === FEATURES.length && FEATURES.every((feature, index) => features[index] === feature);
}

function leaf(tree: Tree, row: number[]): number {
  let node = 0;
  for (let feature; (feature = tree.feature[node]!) >= 0; ) {
    const value = row[feature]!;
    const left = Number.isNaN(value) ? tree.missing_left[node] : value <= tree.threshold[node]!;
    node = (left ? tree.left : tree.right)[node]!;
  }
  return tree.value[node]!;
}
