"""The results as a page: targets first, then every cell."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bench.plot import Bar, Panel, draw
from bench.results import Results
from bench.servers import OURS, PEER_SERVERS
from bench.summary import Figure, Summary
from bench.targets import PICTURE, Target, targets

_TITLE_BY_MODEL: Final = {"resnet50": "ResNet-50", "mobilenet_v2": "MobileNetV2"}
_SERVERS: Final = (*OURS, *PEER_SERVERS)
_BUSY_CLIENTS: Final = 16
_METHOD: Final = """\
Each server answers a JPEG's bytes with the five best classes, of the same seeded weights, \
in fp32 unless its name says int8; before it is measured its answers are compared with ours. \
Clients are a closed loop in one process on the same cores: each sends its next request when \
it has the answer to its last, and waits as a 503's `Retry-After` says. Every server is \
driven in turn in every cell of every round, paused otherwise; ratios are medians over the rounds \
of what was measured in the same round. CPU is that of all processes of a server, memory their \
proportional set size after 16 clients while no other server ran. The engine's own figures are \
OpenVINO alone in one process with one stream a core, without decoding; its p50 is of one image on \
all cores.

The settings of each peer are those with the most answers at 16 clients, tried on two cores: one \
process a core with a thread each, one process with a thread for each core, and for torch batches \
of 1 and of 4 with either. With one process on all cores a peer answers a single client sooner, \
and fewer at once.

The torch servers run eager torch as their documentation's examples do; Whippet is compared with \
them as with what a team would otherwise run, and with mosec and LitServe given OpenVINO as with \
the same engine in another server."""


def write_document(results: Results, output: Path) -> None:
    """Write the page, and its plot beside it with the suffix .svg."""
    output.parent.mkdir(parents=True, exist_ok=True)
    plot = output.with_suffix(".svg")
    draw(_panels(results), plot)
    output.write_text(render(results, plot.name), encoding="utf-8")


def render(results: Results, plot_name: str) -> str:
    """Return the page as Markdown."""
    summary = Summary(results)
    parts = [
        "# Model servers compared\n",
        "<!-- Written by `make bench-serving`; what is changed here by hand is lost. -->\n",
        _machine_line(results.machine),
        f"![Answers a second]({plot_name})\n",
        "## How\n",
        f"{_METHOD}\n",
        _run_line(results),
    ]
    models = results.options["models"]
    for model in models:
        parts.append(f"## {_title(model)}: targets\n")
        parts.append("fp32, 500x375, unless a line says else.\n")
        parts.append(_targets_table(targets(summary, model)))
    for model in models:
        parts.append(f"## {_title(model)}: start, memory, settings\n")
        parts.append(_servers_table(summary, model))
        for picture in results.options["pictures"]:
            parts.append(f"## {_title(model)}, {picture}\n")
            parts.append(_cells_table(summary, model, picture))
    parts.append("## Versions\n")
    parts.append(_versions_table(results))
    return "\n".join(parts)


def _machine_line(machine: dict[str, str]) -> str:
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory']}, {machine['system']}. Again: `make bench-serving`.\n"
    )


def _run_line(results: Results) -> str:
    options = results.options
    client_cpu = statistics.median(cell.client_cpu_ms for cell in results.cells)
    return (
        f"{options['rounds']} rounds of {options['seconds']:g} s a cell at 1 and 16 clients and "
        f"half of it at others. The clients took {client_cpu:.2f} ms of CPU a request (median).\n"
    )


def _targets_table(found: Sequence[Target]) -> str:
    rows = []
    for target in found:
        unit = f" {target.unit}" if target.unit else ""
        sign = "≥" if target.at_least else "≤"
        bound = "" if target.bound is None else f"{sign} {target.bound:.2f}{unit}"
        value = "" if target.value is None else f"{target.value:.2f}{unit}"
        rows.append([target.name, value, bound, target.verdict])
    return _table(["figure", "measured", "target", ""], rows)


def _servers_table(summary: Summary, model: str) -> str:
    reasons = {f.server: f.reason for f in summary.results.failures if f.model == model}
    rows = []
    for server in _SERVERS:
        seconds = summary.first_answer_seconds(server.name, model)
        memory = summary.memory_bytes(server.name, model)
        if server.name in reasons:
            rows.append([server.title, "not measured", "", _one_line(reasons[server.name])])
        elif seconds is not None and memory is not None:
            row = [server.title, f"{seconds:.1f}", f"{memory / 1e6:.0f}"]
            rows.append([*row, _settings(summary.results.settings[server.name])])
    for precision in ("fp32", "int8"):
        if limit := _engine_median(summary, "throughput", precision, model):
            cpu_ms = _engine_median(summary, "cpu_ms", precision, model)
            p50_ms = _engine_median(summary, "p50_ms", precision, model)
            text = f"{limit:.1f} images/s, {cpu_ms:.1f} ms of CPU an image, p50 {p50_ms:.1f} ms"
            rows.append([f"engine alone, {precision}", "", "", text])
    return _table(["server", "first answer, s", "memory, MB", "settings"], rows)


def _settings(environment: dict[str, str]) -> str:
    """Return the peers' without the benchmark's prefix, and once what is told twice."""
    return ", ".join(
        f"{name.removeprefix('BENCH_').replace('_', ' ').lower()} {value}"
        for name, value in environment.items()
        if name != "OMP_NUM_THREADS"
    )


def _cells_table(summary: Summary, model: str, picture: str) -> str:
    rows = []
    for client_count in summary.results.options["clients"]:
        for server in _SERVERS:
            cell = summary.cell(server.name, model, picture, client_count)
            if cell is not None:
                rows.append(
                    [str(client_count), server.title, f"{cell.throughput:.1f}",
                     f"{cell.p50_ms:.0f}", f"{cell.p99_ms:.0f}", f"{cell.cpu_ms:.1f}",
                     str(cell.refused), str(cell.failed)]
                )  # fmt: skip
    heads = ["clients", "server", "answers/s", "p50, ms", "p99, ms", "CPU ms an answer", "503"]
    return _table([*heads, "errors"], rows)


def _versions_table(results: Results) -> str:
    measured = {start.server for start in results.starts}
    rows = [
        [server.title, results.versions[server.name]]
        for server in _SERVERS
        if server.name in measured
    ]
    return _table(["server", "packages"], rows)


def _panels(results: Results) -> list[Panel]:
    summary = Summary(results)
    return [
        panel(summary, model)
        for model in results.options["models"]
        for panel in (_throughput_panel, _latency_panel)
    ]


def _throughput_panel(summary: Summary, model: str) -> Panel:
    bars = [
        Bar(label=f"engine alone, {precision}", kind="engine", value=limit)
        for precision in ("fp32", "int8")
        if (limit := _engine_median(summary, "throughput", precision, model))
    ]
    for server in _SERVERS:
        if cell := summary.cell(server.name, model, PICTURE, _BUSY_CLIENTS):
            bars.append(Bar(label=server.title, kind=server.kind, value=cell.throughput))
    bars.sort(key=lambda bar: -bar.value)
    title = f"{_title(model)}: answers a second, {_BUSY_CLIENTS} clients, {PICTURE} JPEG"
    return Panel(title=title, bars=bars)


def _latency_panel(summary: Summary, model: str) -> Panel:
    bars = [
        Bar(label=f"engine alone, {precision}", kind="engine", value=p50_ms)
        for precision in ("fp32", "int8")
        if (p50_ms := _engine_median(summary, "p50_ms", precision, model))
    ]
    for server in _SERVERS:
        if cell := summary.cell(server.name, model, PICTURE, 1):
            bars.append(Bar(label=server.title, kind=server.kind, value=cell.p50_ms))
    bars.sort(key=lambda bar: bar.value)
    title = f"{_title(model)}: milliseconds to an answer (p50), 1 client, {PICTURE} JPEG"
    return Panel(title=title, bars=bars)


def _engine_median(summary: Summary, figure: Figure, precision: str, model: str) -> float:
    samples = summary.engine(precision, model).values()
    return statistics.median(getattr(sample, figure) for sample in samples) if samples else 0.0


def _title(model: str) -> str:
    return _TITLE_BY_MODEL.get(model, model)


def _one_line(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
