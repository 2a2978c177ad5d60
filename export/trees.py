"""LightGBM trees to C: the text model, its Treelite checkpoint, and one C file that any machine can compile."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final

import tl2cgen
import treelite

from awarenet.errors import ModelError
from awarenet.stages import FEATURES, META_MODEL

TEXT_FILE: Final = "trees.txt"
CHECKPOINT_FILE: Final = "trees.treelite"
TREE_FILES: Final = (META_MODEL.file, TEXT_FILE, CHECKPOINT_FILE)
"""What `export_trees` writes: C source, LightGBM text, Treelite checkpoint (for Triton's FIL backend)."""

# The row is copied, so the caller's stays as it is. A float widened to double never looks missing: the marker -1 lies
# over the low half of the double, whose last 29 bits are zero in a widened float.
_ROWS: Final = """
/* P(fake) of `count` rows of floats; NaN means missing. */
void predict_rows(const float* rows, size_t count, float* result) {
  for (size_t i = 0; i < count; ++i) {
    union Entry row[%(features)d];
    double score[N_TARGET * MAX_N_CLASS] = {0};
    for (size_t j = 0; j < %(features)d; ++j) {
      const float value = rows[i * %(features)d + j];
      if (value != value) {
        row[j].missing = -1;
      } else {
        row[j].fvalue = (double)value;
      }
    }
    predict(row, 0, score);
    result[i] = (float)score[0];
  }
}
"""

_MISSING_ZERO: Final = 4
"""Bits 2-3 of LightGBM's `decision_type` with this value mean that zero counts as missing."""


def export_trees(model: Path, out: Path) -> Path:
    """Writes the three files of the meta-model.

    Args:
        model: The LightGBM text model (`Booster.save_model`), binary objective, features named and ordered as
            `awarenet.stages.FEATURES`.
        out: Folder for `TREE_FILES`; made when absent.

    Returns:
        `out`.

    Raises:
        ModelError: The file is no LightGBM model, is for other features, or uses what the compiler gets wrong.
    """
    text = _read(model)
    try:
        trees = treelite.frontend.load_lightgbm_model(str(model))
    except treelite.TreeliteError as error:
        raise ModelError(f"{model}: Treelite cannot read it ({error}); save it with Booster.save_model") from error
    out.mkdir(parents=True, exist_ok=True)
    (out / META_MODEL.file).write_text(_c_source(trees), encoding="utf-8")
    (out / TEXT_FILE).write_text(text, encoding="utf-8")
    trees.serialize(str(out / CHECKPOINT_FILE))
    return out


def _read(model: Path) -> str:
    try:
        text = model.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{model}: cannot read it ({error}); make it with `python -m training stack`") from error
    fields = dict(re.findall(r"^(\w+)=(.*)$", text.split("\nTree=", 1)[0], re.MULTILINE))
    if fields.get("feature_names") != " ".join(FEATURES):
        raise ModelError(
            f"{model}: its features are {fields.get('feature_names', 'not named')}, the cascade gives "
            f"{' '.join(FEATURES)}; train with feature_name=list(FEATURES)"
        )
    if not fields.get("objective", "").startswith("binary"):
        raise ModelError(f"{model}: its objective is {fields.get('objective')!r}; train with objective='binary'")
    # Treelite and tl2cgen take such a model without a word and predict something else.
    kinds = {int(kind) for line in re.findall(r"^decision_type=(.*)$", text, re.MULTILINE) for kind in line.split()}
    if any(kind & 12 == _MISSING_ZERO for kind in kinds):
        raise ModelError(f"{model}: it was trained with zero_as_missing, which cannot be compiled; train without")
    return text


def _c_source(trees: treelite.Model) -> str:
    """The generated header and sources, in one file."""
    with tempfile.TemporaryDirectory() as folder:
        tl2cgen.generate_c_code(trees, folder, params={"parallel_comp": 0})
        header = (Path(folder) / "header.h").read_text()
        sources = [path.read_text().replace('#include "header.h"', "") for path in sorted(Path(folder).glob("*.c"))]
    return "\n".join([header.strip(), *(source.strip() for source in sources), _ROWS % {"features": trees.num_feature}])
