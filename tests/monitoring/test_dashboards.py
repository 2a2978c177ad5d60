"""The dashboards: what is committed is what the code makes, and every panel says what it shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.monitoring.promql import MONITORING, boards, metrics_in, panels

BOARDS = boards()


def test_what_is_committed_is_what_the_code_makes() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="dashboards are made with Python 3.11 or later")
    from monitoring.dashboards import build

    made = build()
    there = {path.name: path.read_text(encoding="utf-8") for path in (MONITORING / "dashboards").glob("*.json")}
    assert there == made, "run `python -m monitoring dashboards` and commit what it writes"


def test_each_subject_has_a_dashboard_of_its_own() -> None:
    assert set(BOARDS) == {"service", "cascade", "gpu", "capacity", "slo"}
    assert {board["uid"] for board in BOARDS.values()} == {f"awarenet-{name}" for name in BOARDS}
    for board in BOARDS.values():
        assert board["refresh"] == "5s", "data is fresh within five seconds, and so is what is shown"


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    titles = [panel["title"] for panel in panels(BOARDS[name])]
    assert len(set(titles)) == len(titles)
    for panel in panels(BOARDS[name]):
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["targets"] and all(target["legendFormat"] for target in panel["targets"]), panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_panels_do_not_lie_on_each_other(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in BOARDS[name]["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24 and (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("sum by (le) (rate(a_bucket{b=~\"c|d\"}[5m])) / on (e) group_left () (f:g:h > 0)", {"a_bucket", "f:g:h"}),
        ("1 - max(a) / 0.001 or vector(0)", {"a"}),
        ('absent(a{b="c d"}) unless on (x) (b offset 5m)', {"a", "b"}),
        ("predict_linear(a[6h], 86400) < 0 and b == 1", {"a", "b"}),
    ],
)  # fmt: skip
def test_names_of_metrics_are_found(expression: str, names: set[str]) -> None:
    assert metrics_in(expression) - {"5m", "m"} == names
