"""The rules: valid, tested both ways, and each alert with what somebody needs who is woken by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.conftest import Run

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "monitoring" / "rules").glob("*.yaml"))
TESTS = sorted((ROOT / "monitoring" / "tests").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ("## What it means", "## How to see it", "## What to do", "## How to know that it is over")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(kind: str) -> list[dict[str, Any]]:
    return [rule for path in RULES for group in load(path)["groups"] for rule in group["rules"] if kind in rule]


ALERTS = {alert["alert"]: alert for alert in rules("alert")}


def test_promtool_finds_no_fault_in_the_rules(run: Run) -> None:
    assert RULES
    assert "FAILED" not in run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(run: Run, path: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", path)


def test_every_alert_is_shown_to_fire_and_not_to_fire() -> None:
    assert {path.stem for path in TESTS} == {path.stem for path in RULES}
    seen: dict[str, set[bool]] = {name: set() for name in ALERTS}
    for path in TESTS:
        for test in load(path)["tests"]:
            for case in test["alert_rule_test"]:
                seen[case["alertname"]].add(bool(case["exp_alerts"]))
    assert seen.pop("Watchdog") == {True}, "it fires always"
    assert {name: cases for name, cases in seen.items() if cases != {True, False}} == {}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    severities = {"none"} if name == "Watchdog" else {"critical", "warning"}
    assert alert["labels"]["severity"] in severities and alert["labels"]["service"] == "awarenet"
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert "$" in alert["annotations"]["summary"] or name in ("TargetsMissing", "Watchdog"), "say which, or how much"
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    book = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert book.startswith(f"# {name}\n")
    positions = [book.find(heading) for heading in HEADINGS]
    assert -1 not in positions and positions == sorted(positions), f"{name}.md lacks one of {HEADINGS}, in this order"
    assert "```" in book, f"{name}.md has no query or command"


def test_no_runbook_is_left_over_and_no_name_is_given_twice() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {*ALERTS, "README"}
    names = [alert["alert"] for alert in rules("alert")] + [rule["record"] for rule in rules("record")]
    assert len(names) == len(set(names))
