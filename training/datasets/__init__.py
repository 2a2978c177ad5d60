"""Data sets as one manifest: each adapter turns a set in its official layout into the same typed records.

Labels: 0 real, 1 fake. Groups (identities, clip pairs, originals) never lie on two sides of a split.
"""

from __future__ import annotations

from training.datasets.manifest import Record, read_manifest, to_manifest, write_manifest
from training.datasets.splits import assign_splits, require_disjoint_groups

__all__ = ["Record", "assign_splits", "read_manifest", "require_disjoint_groups", "to_manifest", "write_manifest"]
