"""Splits by group: no identity, clip pair or original lies on two sides."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import pandas as pd

from awarenet.errors import DataError
from training.crops import SPLITS as SHARES
from training.crops import split_groups
from training.datasets.manifest import EXCLUDED, UNASSIGNED, named


class Components:
    """Connected components of a graph that grows by edges (disjoint sets with path halving)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def connect(self, first: str, *others: str) -> None:
        """Puts all of the nodes into one component; a single node is added alone."""
        root = self.root(first)
        for other in others:
            other_root = self.root(other)
            # The smallest name leads, so that a component's name depends on its members alone.
            root, absorbed = min(root, other_root), max(root, other_root)
            self._parent[absorbed] = root

    def root(self, node: str) -> str:
        """The smallest node of the component; a node never seen before becomes one of its own."""
        parent = self._parent
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node


def assign_splits(table: pd.DataFrame, *, seed: int, shares: Mapping[str, float] = SHARES) -> pd.DataFrame:
    """Gives every unassigned row a split, whole groups at a time.

    Groups are cut within strata of the data sets and labels that they hold, so that the shares hold in each. A group
    that has an official split on some of its rows takes it on all.

    Args:
        table: A manifest.
        seed: Another seed is another split; the order of the rows never matters.
        shares: Split name to share of the groups; must sum to 1.

    Raises:
        DataError: A group lies on two sides.
    """
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0:
        raise DataError(f"split: shares must be at least 0 and sum to 1, got {dict(shares)}")
    require_disjoint_groups(table)
    official = table[~table["split"].isin([UNASSIGNED, EXCLUDED])].groupby("group")["split"].first().to_dict()
    open_rows = table[table["split"] == UNASSIGNED]
    strata: dict[Hashable, list[str]] = {}
    for group, rows in open_rows.groupby("group"):
        if group not in official:
            stratum = tuple(sorted({*zip(rows["data_set"], rows["label"], strict=True)}))
            strata.setdefault(stratum, []).append(str(group))
    assigned = dict(official)
    for groups in strata.values():
        assigned |= split_groups(groups, seed=seed, shares=shares)
    result = table.copy()
    result.loc[open_rows.index, "split"] = open_rows["group"].map(assigned)
    return result


def require_disjoint_groups(table: pd.DataFrame) -> None:
    """Raises where a group lies on two sides of a split; rows that are excluded or not yet assigned do not count.

    Raises:
        DataError: Names the groups.
    """
    used = table[~table["split"].isin([UNASSIGNED, EXCLUDED])]
    sides = used.groupby("group")["split"].nunique()
    leaking = sorted(sides.index[sides > 1])
    if leaking:
        raise DataError(
            f"split: {len(leaking)} groups lie on two sides: {named(leaking)}; "
            "a detector would be tested on people that it was trained on: give each group one split"
        )


def require_apart(first: Iterable[str], second: Iterable[str], what: str) -> None:
    """Raises where two lists of groups share a member.

    Raises:
        DataError: Names the groups and `what` was being done.
    """
    shared = sorted({*first} & {*second})
    if shared:
        raise DataError(f"{what}: {len(shared)} groups are on both sides: {named(shared)}; split by group")
