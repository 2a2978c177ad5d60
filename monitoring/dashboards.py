"""The dashboards, as code: `python -m monitoring dashboards` writes them to `monitoring/dashboards/`.

Panels ask for the recording rules of `monitoring/rules` where there is one, so that a dashboard and an alert never show
different numbers for one thing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from monitoring.panels import SOURCE, Panel, Query, bars, dial, lines, number

FOLDER: Final = Path(__file__).with_name("dashboards")

_REFRESH: Final = "5s"

_HERE: Final = 'namespace=~"$namespace"'
"""Matcher of the namespace that is chosen above; without one, as on a single machine, everything matches."""


def _dashboard(
    name: str, title: str, what: str, rows: dict[str, list[Panel]], *, since: str = "now-1h", price: bool = False
) -> builder.Dashboard:
    """A dashboard with the variables that all of them have."""
    made = (
        builder.Dashboard(f"AWARE-NET {title}")
        .uid(f"awarenet-{name}")
        .description(what)
        .tags(["awarenet"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .refresh(_REFRESH)
        .time(since, "now")
        .timezone("browser")
        .timepicker(builder.TimePicker().refresh_intervals([_REFRESH, "30s", "1m", "5m"]))
        .link(builder.DashboardLink("AWARE-NET").type(model.DashboardLinkType.DASHBOARDS).tags(["awarenet"]))
        .with_variable(builder.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            builder.QueryVariable("namespace")
            .label("Namespace")
            .query("label_values(awarenet_gateway_info, namespace)")
            .datasource(SOURCE)
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .all_value(".*")
        )
    )
    if price:
        made = made.with_variable(
            builder.TextBoxVariable("price").label("Price of a Triton replica for an hour").default_value("1")
        )
    for row, panels in rows.items():
        made = made.with_row(builder.Row(row))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def _rate(metric: str, labels: str = "", *, by: str = "") -> str:
    chosen = f"{labels}, {_HERE}" if labels else _HERE
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{chosen}}}[$__rate_interval]))"


def _quantile(q: float, metric: str, labels: str, by: str = "") -> str:
    by = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({by}) (rate({metric}_bucket{{{labels}}}[$__rate_interval])))"


def _service() -> builder.Dashboard:
    requests = f'awarenet_gateway_requests_total{{route=~"/v1/.+", {_HERE}}}'
    detect = f'route="/v1/detect", status_class="2xx", {_HERE}'
    failed = f'sum(rate(awarenet_gateway_requests_total{{route=~"/v1/.+", status=~"5..", {_HERE}}}[$__rate_interval]))'
    return _dashboard(
        "service",
        "service",
        "Traffic, errors, latency and saturation of the gateway and of each stage.",
        {
            "At a glance": [
                number("Requests", "All requests below /v1.", "reqps", f"sum(rate({requests}[$__rate_interval]))"),
                number(
                    "Failed",
                    "Share of requests answered with 5xx, refusals included; 4xx count neither way.",
                    "percentunit",
                    f"max(awarenet:failed_requests:ratio_rate5m{{{_HERE}}})",
                    limit=0.001,
                ),
                number(
                    "p95 of pictures",
                    "95th percentile of accepted pictures; the objective is 500 ms.",
                    "s",
                    _quantile(0.95, "awarenet_gateway_request_seconds", detect),
                    limit=0.5,
                ),
                dial(
                    "Saturation",
                    "Workers and queue in use; refusals begin at 100 %.",
                    f"max(awarenet:queue:saturation{{{_HERE}}})",
                    "in use",
                    limit=0.8,
                ),
            ],
            "Gateway": [
                lines(
                    "Traffic by route",
                    "Requests a second.",
                    "reqps",
                    (f"sum by (route) (rate({requests}[$__rate_interval]))", "{{route}}"),
                    stacked=True,
                ),
                lines(
                    "Answers by status",
                    "What callers get; 503 is a refusal with Retry-After.",
                    "reqps",
                    (f"sum by (status) (rate({requests}[$__rate_interval]))", "{{status}}"),
                    (f"{failed} or vector(0)", "all 5xx"),
                ),
                lines(
                    "Latency of pictures",
                    "Headers to answer, accepted pictures alone: refusals are fast and would flatter.",
                    "s",
                    *(
                        (_quantile(q, "awarenet_gateway_request_seconds", detect), f"p{q * 100:g}")
                        for q in (0.5, 0.95, 0.99)
                    ),
                    limit=0.5,
                ),
                lines(
                    "Not scored, by reason",
                    "Media and frames without a verdict.",
                    "reqps",
                    (
                        _rate("awarenet_gateway_rejects_total", by="code"),
                        "{{code}}",
                    ),
                ),
                lines(
                    "Under way",
                    "Requests under way, pictures in the hands of workers, pictures that wait, open streams.",
                    "short",
                    (f"sum(awarenet_gateway_in_flight{{{_HERE}}})", "under way"),
                    (f"sum(awarenet_gateway_running{{{_HERE}}})", "with workers"),
                    (f"sum(awarenet_gateway_queue{{{_HERE}}})", "waiting"),
                    (f"sum(awarenet_gateway_streams{{{_HERE}}})", "streams"),
                ),
                lines(
                    "Clips that wait",
                    "Jobs that nobody has begun; all gateways work on one queue.",
                    "short",
                    (f"max(awarenet_gateway_clips_waiting{{{_HERE}}})", "waiting"),
                ),
                lines(
                    "Longest wait of a clip",
                    "For how long the next clip could have been begun; somebody is told at ten minutes.",
                    "s",
                    (f"max(awarenet_gateway_clips_waiting_seconds{{{_HERE}}})", "waits"),
                    limit=600,
                ),
                lines(
                    "Steps of a picture, p95",
                    "Decoding, finding faces, scoring: seconds in a worker.",
                    "s",
                    (_quantile(0.95, "awarenet_gateway_step_seconds", _HERE, "step"), "{{step}}"),
                ),
            ],
            "Stages on Triton": [
                lines(
                    "Traffic by stage",
                    "Faces a second. The heavy stages see the doubtful ones alone.",
                    "cps",
                    (_rate("nv_inference_count", by="model"), "{{model}}"),
                ),
                lines(
                    "Errors by stage",
                    "Share of requests to a model that crashed.",
                    "percentunit",
                    (f"max by (model) (awarenet:model_failures:ratio_rate2m{{{_HERE}}})", "{{model}}"),
                ),
                lines(
                    "Latency by stage, p95",
                    "Milliseconds that a batch of faces spends in a stage, its queue included.",
                    "ms",
                    (_quantile(0.95, "awarenet_stage_latency_ms", _HERE, "stage"), "{{stage}}"),
                ),
                lines(
                    "Saturation by stage",
                    "Instances that compute at a moment, on average.",
                    "short",
                    (
                        f"{_rate('nv_inference_compute_infer_duration_us', by='model')} / 1e6",
                        "{{model}}",
                    ),
                ),
                lines(
                    "Queue of the cascade",
                    "Requests that wait in Triton; it refuses at 128. Stages have no queue of their own.",
                    "short",
                    (
                        f'sum by (instance) (nv_inference_pending_request_count{{model="cascade", {_HERE}}})',
                        "{{instance}}",
                    ),
                    limit=128,
                ),
                lines(
                    "Faces in a batch",
                    "Faces that a stage computes at once, on average.",
                    "short",
                    (
                        f"sum by (model) (rate(nv_inference_count{{{_HERE}}}[$__rate_interval]))"
                        f" / (sum by (model) (rate(nv_inference_exec_count{{{_HERE}}}[$__rate_interval])) > 0)",
                        "{{model}}",
                    ),
                ),
            ],
            "Health": [
                lines(
                    "Questions with a known answer",
                    "Right is good. Wrong means that no verdict can be trusted.",
                    "cps",
                    (
                        _rate("awarenet_gateway_golden_total", by="result"),
                        "{{result}}",
                    ),
                ),
                lines(
                    "Workers",
                    "Ready, wanted, and ended unasked.",
                    "short",
                    (f"sum(awarenet_gateway_workers{{{_HERE}}})", "ready"),
                    (f"sum(awarenet_gateway_workers_wanted{{{_HERE}}})", "wanted"),
                    (f"sum(increase(awarenet_gateway_worker_deaths{{{_HERE}}}[15m]))", "ended unasked in 15 min"),
                ),
            ],
        },
    )


def _cascade() -> builder.Dashboard:
    pictures = f"sum(rate(awarenet_gateway_verdicts_total{{{_HERE}}}[$__rate_interval]))"
    replicas = f'count(nv_inference_request_success{{model="cascade", {_HERE}}})'
    computing, stages = "nv_inference_compute_infer_duration_us", 'model!="cascade"'
    drift = f"awarenet:face_scores:stability_index{{{_HERE}}}"
    return _dashboard(
        "cascade",
        "cascade",
        "Where faces leave the cascade, whether scores drift, what the fast filter lets through, and what it costs.",
        {
            "Exits": [
                dial(
                    "Doubtful faces",
                    "Share of faces that need the heavy stages, in the last hour.",
                    f"max(awarenet:doubtful_faces:ratio_rate1h{{{_HERE}}})",
                    "doubtful",
                    limit=0.8,
                ),
                number("Faces", "Faces scored.", "cps", _rate("awarenet_gateway_exits_total")),
                number("Pictures", "Verdicts given; frames of streams and clips are one each.", "cps", pictures),
                number(
                    "Known by heart",
                    "Share of look-ups that were answered from the cache of verdicts.",
                    "percentunit",
                    f'sum(rate(awarenet_gateway_cache_total{{result="hit", {_HERE}}}[$__rate_interval]))'
                    f" / (sum(rate(awarenet_gateway_cache_total{{{_HERE}}}[$__rate_interval])) > 0)",
                ),
                lines(
                    "Faces by exit stage",
                    "1: the fast filter was sure. 3: the meta-model decided after the heavy stages.",
                    "percentunit",
                    (
                        f"{_rate('awarenet_gateway_exits_total', by='exit_stage')}"
                        f" / on () group_left () ({_rate('awarenet_gateway_exits_total')} > 0)",
                        "exit {{exit_stage}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Verdicts",
                    "Pictures a second by verdict.",
                    "cps",
                    (
                        _rate("awarenet_gateway_verdicts_total", by="verdict"),
                        "{{verdict}}",
                    ),
                    stacked=True,
                ),
            ],
            "Drift": [
                lines(
                    "Stability index of scores",
                    "The last hour against the last week. Below 0.1 nothing, above 0.25 another population.",
                    "short",
                    (drift, "index {{namespace}}"),
                    limit=0.25,
                ),
                bars(
                    "Scores of the last hour and of the last week",
                    "Share of the faces in each bucket of P(fake).",
                    "percentunit",
                    (f"awarenet:face_scores:share1h{{{_HERE}}}", "{{bucket}} hour"),
                    (f"awarenet:face_scores:share7d{{{_HERE}}}", "{{bucket}} week"),
                ),
                lines(
                    "Doubtful share",
                    "The last hour against the last week.",
                    "percentunit",
                    (f"awarenet:doubtful_faces:ratio_rate1h{{{_HERE}}}", "hour"),
                    (f"awarenet:doubtful_faces:ratio_rate7d{{{_HERE}}}", "week"),
                ),
                lines(
                    "Size of faces",
                    "Side of the crop in source pixels: quartiles.",
                    "short",
                    *((_quantile(q, "awarenet_gateway_face_px", _HERE), f"p{q * 100:g}") for q in (0.25, 0.5, 0.75)),
                ),
                lines(
                    "Sharpness of faces",
                    "Logarithm of the Laplacian's variance: quartiles.",
                    "short",
                    *(
                        (_quantile(q, "awarenet_gateway_face_sharpness", _HERE), f"p{q * 100:g}")
                        for q in (0.25, 0.5, 0.75)
                    ),
                ),
                lines(
                    "Compression of faces",
                    "Share of flat pixels: quartiles.",
                    "percentunit",
                    *(
                        (_quantile(q, "awarenet_gateway_face_compression", _HERE), f"p{q * 100:g}")
                        for q in (0.25, 0.5, 0.75)
                    ),
                ),
            ],
            "Leakage check": [
                number(
                    "Let through",
                    "Of the faces of a day that every stage together calls fake, the share that the fast filter alone "
                    "would have passed as real. The policy was chosen for 1 %.",
                    "percentunit",
                    f"sum(awarenet:leaked_fakes:count1d{{{_HERE}}})"
                    f" / clamp_min(sum(awarenet:leakage_check_fakes:count1d{{{_HERE}}}), 1)",
                    limit=0.01,
                ),
                number(
                    "Fakes looked at",
                    "Faces that every stage together called fake, in a day: how much the share beside it is worth.",
                    "short",
                    f"sum(awarenet:leakage_check_fakes:count1d{{{_HERE}}})",
                ),
                bars(
                    "Fast filter against all stages",
                    "Faces of a day that every stage looked at, by where the fast filter alone would have sent them.",
                    "short",
                    (
                        f"sum by (fast_filter, full) (awarenet:leakage_check_faces:count1d{{{_HERE}}})",
                        "filter {{fast_filter}}, all {{full}}",
                    ),
                ),
            ],
            "Cost": [
                number(
                    "Price of 1,000 pictures",
                    "Replicas of Triton now, at the price given above, over the verdicts now, in its currency.",
                    "short",
                    f"1000 * $price * {replicas} / (3600 * ({pictures} > 0))",
                ),
                number(
                    "Compute for 1,000 pictures",
                    "Seconds that models compute: what the price would be if no replica ever idled.",
                    "s",
                    f"1000 * {_rate(computing, stages)} / 1e6 / ({pictures} > 0)",
                ),
                lines(
                    "Compute by stage for 1,000 pictures",
                    "Where the money goes. `cascade` is left out, because it waits for the others.",
                    "s",
                    (
                        f"1000 * {_rate(computing, stages, by='model')} / 1e6 / on () group_left () ({pictures} > 0)",
                        "{{model}}",
                    ),
                    stacked=True,
                ),
            ],
        },
        since="now-6h",
        price=True,
    )


def _gpu() -> builder.Dashboard:
    by_gpu = "{{instance}} {{gpu_uuid}}"
    return _dashboard(
        "gpu",
        "GPU",
        "What Triton says of its GPUs. Empty where it runs on a processor alone.",
        {
            "GPU": [
                lines(
                    "Utilisation",
                    "Share of the time in which a kernel ran.",
                    "percentunit",
                    (f"nv_gpu_utilization{{{_HERE}}}", by_gpu),
                    limit=0.95,
                ),
                lines(
                    "Memory",
                    "Share of the memory in use.",
                    "percentunit",
                    (f"nv_gpu_memory_used_bytes{{{_HERE}}} / nv_gpu_memory_total_bytes{{{_HERE}}}", by_gpu),
                    limit=0.9,
                ),
                lines(
                    "Power",
                    "Watts, and share of the limit; at the limit the clock falls.",
                    "watt",
                    (f"nv_gpu_power_usage{{{_HERE}}}", by_gpu),
                    (f"nv_gpu_power_limit{{{_HERE}}}", "limit " + by_gpu),
                ),
                lines(
                    "Energy for 1,000 pictures",
                    "Joules of all GPUs over the verdicts given.",
                    "joule",
                    (
                        f"1000 * sum(rate(nv_energy_consumption{{{_HERE}}}[$__rate_interval]))"
                        f" / (sum(rate(awarenet_gateway_verdicts_total{{{_HERE}}}[$__rate_interval])) > 0)",
                        "joules",
                    ),
                ),
            ]
        },
    )


def _capacity() -> builder.Dashboard:
    entry = 'model="cascade"'
    return _dashboard(
        "capacity",
        "capacity",
        "How much is used of what there is, and how much there must be.",
        {
            "Load": [
                lines(
                    "Saturation",
                    "Workers and queue in use. The autoscaler aims at 70 %.",
                    "percentunit",
                    (f"awarenet:queue:saturation{{{_HERE}}}", "{{namespace}}"),
                    limit=0.7,
                ),
                lines(
                    "Places for requests",
                    "Requests under way, against what may be.",
                    "short",
                    (f"sum(awarenet_gateway_in_flight{{{_HERE}}})", "under way"),
                    (f"sum(awarenet_gateway_in_flight_limit{{{_HERE}}})", "limit"),
                ),
                lines(
                    "Refused",
                    "Share of requests answered with 503.",
                    "percentunit",
                    (f"awarenet:refused_requests:ratio_rate5m{{{_HERE}}}", "{{namespace}}"),
                    limit=0.05,
                ),
                lines(
                    "Pictures a second and replica",
                    "Verdicts over gateways and over Tritons.",
                    "cps",
                    (
                        f"sum(rate(awarenet_gateway_verdicts_total{{{_HERE}}}[$__rate_interval]))"
                        f" / count(awarenet_gateway_info{{{_HERE}}})",
                        "gateway",
                    ),
                    (
                        f"sum(rate(awarenet_gateway_verdicts_total{{{_HERE}}}[$__rate_interval]))"
                        f' / count(nv_inference_request_success{{model="cascade", {_HERE}}})',
                        "Triton",
                    ),
                ),
                lines(
                    "Replicas",
                    "Gateways and Tritons that Prometheus sees.",
                    "short",
                    (f"count(awarenet_gateway_info{{{_HERE}}})", "gateways"),
                    (f'count(nv_inference_request_success{{model="cascade", {_HERE}}})', "Tritons"),
                ),
                lines(
                    "Time in Triton's queue",
                    "Milliseconds that a request to the cascade waits, on average.",
                    "ms",
                    (
                        f"{_rate('nv_inference_queue_duration_us', entry)}"
                        f" / ({_rate('nv_inference_request_success', entry)} > 0)"
                        " / 1000",
                        "queue",
                    ),
                ),
            ],
            "Machines": [
                lines(
                    "Processor",
                    "Share in use, as Triton sees it.",
                    "percentunit",
                    (f"nv_cpu_utilization{{{_HERE}}}", "{{instance}}"),
                ),
                lines(
                    "Memory",
                    "Share in use, as Triton sees it.",
                    "percentunit",
                    (
                        f"nv_cpu_memory_used_bytes{{{_HERE}}} / nv_cpu_memory_total_bytes{{{_HERE}}}",
                        "{{instance}}",
                    ),
                    limit=0.9,
                ),
                lines(
                    "Free in /dev/shm",
                    "A process that writes to a full one is killed.",
                    "percentunit",
                    (f"awarenet:shared_memory:free_ratio{{{_HERE}}}", "{{instance}}"),
                ),
                lines(
                    "Free on the state folder's disk",
                    "When the audit log cannot be written, no work is taken.",
                    "percentunit",
                    (f"awarenet:state_disk:free_ratio{{{_HERE}}}", "{{instance}}"),
                ),
            ],
        },
        since="now-24h",
    )


def _slo() -> builder.Dashboard:
    windows = ("5m", "1h", "6h", "1d", "3d")

    def burn(metric: str, budget: float) -> list[Query]:
        return [(f"max({metric}{window}{{{_HERE}}}) / {budget}", window) for window in windows]

    failed, slow = "awarenet:failed_requests:ratio_rate", "awarenet:slow_pictures:ratio_rate"
    return _dashboard(
        "slo",
        "SLO burn",
        "How fast the error budgets of 30 days are spent: 1 spends a budget in exactly 30 days.",
        {
            "Objectives": [
                number(
                    "Available, 3 days",
                    "Share of requests that were answered; the objective is 99.9 %.",
                    "percentunit",
                    f"1 - max({failed}3d{{{_HERE}}})",
                ),
                number(
                    "Within 500 ms, 3 days",
                    "Share of accepted pictures; the objective is 95 %.",
                    "percentunit",
                    f"1 - max({slow}3d{{{_HERE}}})",
                ),
                number("Burn of availability, 1 h", "A page at 14.4.", "short", burn(failed, 0.001)[1][0], limit=14.4),
                number("Burn of latency, 1 h", "A page at 14.4.", "short", burn(slow, 0.05)[1][0], limit=14.4),
            ],
            "Burn rates": [
                lines(
                    "Availability",
                    "Share of failed requests over 0.1 %, by window.",
                    "short",
                    *burn(failed, 0.001),
                    limit=14.4,
                ),
                lines("Latency", "Share of slow pictures over 5 %, by window.", "short", *burn(slow, 0.05), limit=14.4),
                lines(
                    "Alerts that fire",
                    "By severity.",
                    "short",
                    (
                        'sum by (severity) (ALERTS{alertstate="firing", service="awarenet", severity!="none"}) '
                        "or vector(0)",
                        "{{severity}}",
                    ),
                ),
            ],
        },
        since="now-24h",
    )


def build() -> dict[str, str]:
    """File name to JSON of every dashboard."""
    boards = {"service": _service(), "cascade": _cascade(), "gpu": _gpu(), "capacity": _capacity(), "slo": _slo()}
    return {
        f"{name}.json": json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for name, board in boards.items()
    }


def write(folder: Path = FOLDER) -> list[Path]:
    """Writes every dashboard into a folder; the paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, text in build().items():
        (folder / name).write_text(text, encoding="utf-8")
        paths.append(folder / name)
    return paths
