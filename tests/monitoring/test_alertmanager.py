"""Who is told of which alert, and which alert silences which: the shipped configuration in the real programs."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring import observe, programs
from tests.monitoring.conftest import Run, free_port
from tests.monitoring.promql import MONITORING, rules
from tests.serving import eventually

CONFIGURATION = MONITORING / "alertmanager.yaml"
ALERTS = {rule["alert"]: rule["labels"] for rule in rules() if "alert" in rule}


def test_amtool_finds_no_fault(run: Run) -> None:
    said = run("amtool", "check-config", CONFIGURATION)
    assert "6 receivers" in said and "SUCCESS" in said


def test_every_way_to_be_told_is_there_and_no_secret_is() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    loaded = yaml.safe_load(text)
    ways = {way for receiver in loaded["receivers"] for way in receiver if way != "name"}
    assert ways == {"email_configs", "slack_configs", "pagerduty_configs", "webhook_configs"}
    for line in text.splitlines():
        name, _, value = line.strip().removeprefix("- ").partition(": ")
        if any(word in name for word in ("password", "key", "token", "api_url", "credentials")):
            assert name.endswith("_file") and value.startswith("/etc/alertmanager/secrets/"), line


EXPECTED = {
    "AvailabilityBudgetBurnsFast": "record,on-call",
    "GoldenInferenceWrong": "record,on-call",
    "StubDead": "record,on-call",
    "TargetsMissing": "record,on-call",
    "AvailabilityBudgetBurnsSlowly": "record,team",
    "CertificateExpires": "record,team",
    "TargetDown": "record,team",
    "ScoreDistributionShifted": "record,model-owners",
    "DoubtfulShareRises": "record,model-owners",
    "LeakageSuspected": "record,model-owners",
    "CriticalAlertLasts": "record,second-line",
    "Watchdog": "watchdog",
}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_alert_reaches_those_who_can_help(run: Run, name: str) -> None:
    by_severity = {"critical": "record,on-call", "warning": "record,team"}.get(ALERTS[name]["severity"])
    labels = [f"{key}={value}" for key, value in {"alertname": name, "namespace": "prod", **ALERTS[name]}.items()]
    told = run("amtool", "config", "routes", "test", f"--config.file={CONFIGURATION}", *labels)
    assert told.strip() == EXPECTED.get(name, by_severity)


def test_alerts_of_others_wake_nobody(run: Run) -> None:
    told = run(
        *("amtool", "config", "routes", "test", f"--config.file={CONFIGURATION}"),
        *("alertname=SomethingElse", "severity=critical", "service=another"),
    )
    assert told.strip() == "record"


@pytest.fixture(scope="module")
def alertmanager(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[programs.Program], Path]
) -> Iterator[str]:
    """An Alertmanager with the shipped routes and inhibitions, that tells nobody."""
    program("prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("alertmanager")
    loaded = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    loaded["receivers"] = [{"name": receiver["name"]} for receiver in loaded["receivers"]]
    loaded["global"] = {"resolve_timeout": loaded["global"]["resolve_timeout"]}
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(loaded), encoding="utf-8")
    with observe.alertmanager(folder / "alertmanager.yaml", free_port(), folder) as url:
        yield url


def call(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read() or "null")


@pytest.mark.parametrize(
    ("firing", "silenced"),
    [
        ({"AvailabilityBudgetBurnsFast", "AvailabilityBudgetBurnsSlowly"}, {"AvailabilityBudgetBurnsSlowly"}),
        ({"LatencyBudgetBurnsFast", "LatencyBudgetBurnsSlowly"}, {"LatencyBudgetBurnsSlowly"}),
        ({"DiskNearlyFull", "DiskFills"}, {"DiskFills"}),
        ({"CertificateNearlyExpired", "CertificateExpires"}, {"CertificateExpires"}),
        (
            {"StubDead", "GoldenInferenceUnanswered", "AvailabilityBudgetBurnsFast", "QueueGrows"},
            {"GoldenInferenceUnanswered", "AvailabilityBudgetBurnsFast", "QueueGrows"},
        ),
        ({"RequestsRefused", "QueueGrows"}, {"QueueGrows"}),
        ({"GoldenInferenceWrong", "ScoreDistributionShifted", "AvailabilityBudgetBurnsFast"}, set()),
    ],
    ids=lambda names: "-".join(sorted(names)) or "nothing",
)
def test_a_cause_silences_what_it_causes_in_its_own_namespace(
    alertmanager: str, firing: set[str], silenced: set[str]
) -> None:
    assert firing <= ALERTS.keys()
    case = "-".join(sorted(firing)).lower()
    ends = (datetime.now(timezone.utc) + timedelta(minutes=5)).isoformat()
    effects = [{"namespace": "elsewhere-" + case, "alertname": name} for name in silenced]
    alerts = [{"namespace": case, "alertname": name} for name in firing] + effects
    call(
        f"{alertmanager}/api/v2/alerts",
        [{"labels": {**ALERTS[alert["alertname"]], "instance": "a", **alert}, "endsAt": ends} for alert in alerts],
    )

    def state() -> dict[tuple[str, str], str]:
        there = call(f"{alertmanager}/api/v2/alerts")
        return {
            (alert["labels"]["namespace"], alert["labels"]["alertname"]): alert["status"]["state"]
            for alert in there
            if alert["labels"]["namespace"].endswith(case)
        }

    wanted = {(case, name): "suppressed" if name in silenced else "active" for name in firing}
    if "GoldenInferenceUnanswered" not in silenced:  # Alone elsewhere, nothing is there that could silence it.
        wanted |= {(effect["namespace"], effect["alertname"]): "active" for effect in effects}
    assert eventually(lambda: wanted.items() <= state().items(), 60), state()
