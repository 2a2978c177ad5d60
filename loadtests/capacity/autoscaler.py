"""The chart's autoscaler under a spike: how long until there is room, and how many are refused meanwhile.

It follows `helm/awarenet/templates/_autoscaling.tpl`: each signal is a load in pods, moved into a band, and the highest
decides; the HPA takes ceil(signal / up) within its policies. Values come from the chart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from awarenet.errors import DataError


@dataclass(frozen=True)
class Autoscaler:
    """What the chart says.

    Attributes:
        least: Fewest pods.
        most: Most pods.
        up: Share of full above which pods are added.
        down: Share of full below which pods go.
        look_s: Seconds between two looks.
        up_percent: Per cent of the pods that may be added in a period.
        up_pods: Pods that may be added in a period, where that is more.
        up_period_s: Length of that period.
        down_percent: Per cent of the pods that may go in a period.
        down_period_s: Length of that period.
        down_after_s: Seconds that a fall must last.
        full_in_flight: Pictures in hand or waiting, for each worker, that count as full.
        full_rejects: Share of requests refused that counts as full.
    """

    least: int = 2
    most: int = 50
    up: float = 0.7
    down: float = 0.3
    look_s: float = 15.0
    up_percent: float = 100.0
    up_pods: int = 4
    up_period_s: float = 15.0
    down_percent: float = 10.0
    down_period_s: float = 60.0
    down_after_s: float = 300.0
    full_in_flight: float = 1.0
    full_rejects: float = 0.01

    @classmethod
    def read(cls, values: Path) -> Autoscaler:
        """Reads the values of the chart.

        Raises:
            DataError: A value is missing.
        """
        try:
            raw = yaml.safe_load(values.read_text(encoding="utf-8"))
            every, own = raw["autoscaling"], raw["gateway"]["autoscaling"]
            up, down, full = own["scaleUp"], own["scaleDown"], own["signals"]
            return cls(
                least=own["min"],
                most=own["max"],
                up=every["scaleUpAt"],
                down=every["scaleDownAt"],
                look_s=every["pollingSeconds"],
                up_percent=up["percent"],
                up_pods=up["pods"],
                up_period_s=up["periodSeconds"],
                down_percent=down["percent"],
                down_period_s=down["periodSeconds"],
                down_after_s=down["stabilizationSeconds"],
                full_in_flight=full["picturesPerWorker"],
                full_rejects=full["rejectRate"],
            )
        except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
            raise DataError(f"capacity: {values} lacks a value of the autoscaler: {error!r}") from error

    def wanted(self, pods: int, loads: Mapping[str, float]) -> int:
        """Pods that the signals ask for.

        Args:
            pods: That are there.
            loads: Load in pods by signal.
        """
        return max(self._asked(pods, load) for load in loads.values())

    def _asked(self, pods: int, load: float) -> int:
        if load > self.up * pods:
            signal = load
        elif load < self.down * pods:
            signal = load * self.up / ((self.up + self.down) / 2)
        else:
            signal = self.up * pods
        return min(self.most, max(self.least, math.ceil(signal / self.up - 1e-9)))


@dataclass(frozen=True)
class Replica:
    """What one pod holds.

    Attributes:
        per_s: Pictures a second.
        workers: Its worker processes.
        queue: Pictures that may wait for them.
        starts_s: From being asked for to its first answer.
    """

    per_s: float
    workers: int
    queue: int
    starts_s: float


def spike(scaler: Autoscaler, replica: Replica, before: float, after: float, seconds: float) -> dict[str, Any]:
    """A rate that jumps at once and stays, from the replicas that suit the rate before it.

    Every refused request counts once and does not come again: how often clients return says nothing about the service.

    Args:
        scaler: The autoscaler.
        replica: One pod.
        before: Pictures a second before the jump, until everything is steady.
        after: The same from the jump on.
        seconds: Time after the jump.

    Returns:
        `room_after_s` (when refusals end for good; None where they do not), `refused`, `offered`, `pods_at_end`,
        `timeline` of (second, pods ready, pods asked for, refused a second).
    """
    ready = scaler.least
    starting: list[tuple[int, int]] = []
    added: list[tuple[int, int]] = []
    low_since: int | None = None
    removed_at = -math.inf
    refused = offered = 0.0
    last_refusal: int | None = None
    timeline: list[tuple[int, int, int, float]] = []
    calm = 300
    window: list[tuple[float, float]] = []
    for second in range(-calm, int(seconds)):
        rate = before if second < 0 else after
        ready += sum(count for at, count in starting if at == second)
        starting = [(at, count) for at, count in starting if at > second]
        turned_away = max(0.0, rate - ready * replica.per_s)
        window = [*window[-59:], (turned_away, rate)]  # The chart's queries look at the last minute.
        if second >= 0:
            refused, offered = refused + turned_away, offered + rate
            last_refusal = second if turned_away > 0 else last_refusal
        asked = ready + sum(count for _, count in starting)
        if second >= 0:
            timeline.append((second, ready, asked, turned_away))
        if second % scaler.look_s:
            continue
        wanted = scaler.wanted(ready, _loads(scaler, replica, rate, ready, window))
        if wanted > asked:
            low_since = None
            added = [(at, count) for at, count in added if at > second - scaler.up_period_s]
            start_of_period = asked - sum(count for _, count in added)
            room = start_of_period + max(scaler.up_pods, math.ceil(start_of_period * scaler.up_percent / 100))
            more = min(wanted, room) - asked
            if more > 0:
                starting.append((second + math.ceil(replica.starts_s), more))
                added.append((second, more))
        elif wanted < asked:
            low_since = second if low_since is None else low_since
            if second - low_since >= scaler.down_after_s and second - removed_at >= scaler.down_period_s:
                ready -= min(asked - wanted, max(1, int(asked * scaler.down_percent / 100)))
                removed_at = second
        else:
            low_since = None
    end = int(seconds) - 1
    return {
        "room_after_s": None if last_refusal == end else 0 if last_refusal is None else last_refusal + 1,
        "refused": refused,
        "offered": offered,
        "pods_at_end": ready,
        "timeline": timeline,
    }


def _loads(
    scaler: Autoscaler, replica: Replica, rate: float, ready: int, window: list[tuple[float, float]]
) -> dict[str, float]:
    """The signals of the gateway as loads in pods."""
    share = rate / (ready * replica.per_s)
    full = (replica.workers + replica.queue) / replica.workers
    inside = share if share < 1 else full
    turned_away, asked = (sum(column) for column in zip(*window, strict=True))
    return {
        "pictures": inside * ready / scaler.full_in_flight,
        "rejects": turned_away / max(asked, 0.001) / scaler.full_rejects * ready,
    }
