"""The benchmark of held connections, small: it opens, proves and counts what it says."""

from __future__ import annotations

from pathlib import Path

from benchmarks.connections import measure


def test_connections_are_held_at_once_and_proved_alive(tiny_repository: Path) -> None:
    said: list[str] = []
    result = measure(tiny_repository, http=30, streams=5, frames=2, say=said.append)
    assert result["errors"] == {}
    assert result["http"] == {"asked_for": 30, "opened": 30, "answered_again": 30}
    assert result["streams"] == {"asked_for": 5, "opened": 5, "pongs": 5}
    assert result["frames"] == {"sent": 2, "judged": 2}
    assert result["established_at_the_gateway"] >= 35 and said
