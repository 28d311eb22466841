"""The document of the serving benchmark: targets first, then every cell."""

import statistics
from pathlib import Path
from typing import Final

from bench.figures import BUSY_CLIENTS, IMAGE_SIZE
from bench.limit_targets import limit_targets
from bench.plot import Bar, Panel, draw
from bench.report import heading, table, targets_table
from bench.results import Figure, Results
from bench.targets import targets

_PRECISIONS: Final = ("fp32", "bf16", "int8")
_TITLE_BY_MODEL: Final = {
    "resnet50": "ResNet-50",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
_METHOD: Final = """\
Each server classifies a JPEG and returns the five most probable classes. All have the same \
weights, in fp32 unless the name says bf16 or int8; before a server is measured, its classes in \
fp32 are compared with ours. ResNet-50 and MobileNetV2 have seeded weights, EfficientNet-Lite0 \
its published ones, which are no torchvision network: torch's servers leave it out. Clients are a \
closed loop in one thread on the same cores: each sends its next request \
when it has the response to its last, and after a 503 waits as long as its `Retry-After` says. \
Servers are driven in turn in every cell of every round, and paused otherwise; ratios and \
differences are medians over the rounds of samples of the same round (the least to the most). CPU \
time is that of all processes of a server, memory their proportional set size after 16 clients \
while no other server ran. The engine alone \
is OpenVINO in one process with one stream for each core, without decoding, in the same rounds; \
floats and bytes as input are both measured, and the faster counts. Its p50 is of one image on \
all cores.{before}

The settings of each peer are those with the most responses at 16 clients, tried on two cores: one \
process for each core with one thread each, one process with a thread for each core, and for torch \
batches of 1 and of 4 with either. With one process on all cores a peer responds sooner to a \
single client, and to fewer clients at once.

The torch servers run eager torch as the examples in their documentation do, which is what a team \
would otherwise run. mosec and LitServe with OpenVINO are the same engine in another server."""

_BEFORE: Final = """ Before is our server of another checkout in the same environment, and with \
the same networks: `{versions}`."""


def write_document(results: Results, output: Path) -> None:
    """Write the Markdown document, and its plot beside it with the suffix .svg."""
    output.parent.mkdir(parents=True, exist_ok=True)
    plot = output.with_suffix(".svg")
    models = results.options["models"]
    draw([panel for model in models for panel in _panels(results, model)], plot)
    output.write_text(_render(results, plot.name), encoding="utf-8")


def _render(results: Results, plot_name: str) -> str:
    options = results.options
    before = next((s.versions for s in results.servers if s.kind == "before"), None)
    method = _METHOD.format(before=_BEFORE.format(versions=before) if before else "")
    client_cpu_ms = statistics.median(cell.client_cpu_ms for cell in results.cells)
    parts = [
        heading("Model servers compared", "make bench-serving", results.machine),
        f"![Responses per second]({plot_name})\n\n## Method\n\n{method}\n",
        (f"Rounds: {options['rounds']}; {options['seconds']:g} s for a cell of 1 or 16 clients, "
         f"half of it for others. CPU time of clients: {client_cpu_ms:.2f} ms per request.\n"),
    ]  # fmt: skip
    for model in options["models"]:
        parts.append(f"## {_title(model)}: how close to the limit\n\n{IMAGE_SIZE}.\n")
        parts.append(targets_table(limit_targets(results, model)))
    for model in options["models"]:
        parts.append(f"## {_title(model)}: targets\n\nfp32, 500x375, unless a line says else.\n")
        found = targets(results, model)
        shown = [t for t in found if t.value is not None or t.bound is not None]
        parts.append(targets_table(shown))
    for model in options["models"]:
        parts.append(f"## {_title(model)}: start, memory, settings\n")
        parts.append(_servers_table(results, model))
        for size in options["image_sizes"]:
            parts.append(f"## {_title(model)}, {size}\n")
            parts.append(_cells_table(results, model, size))
    parts.append("## Versions\n")
    measured = {start.server for start in results.starts}
    versions = [[s.title, s.versions] for s in results.servers if s.name in measured]
    parts.append(table(["server", "packages"], versions))
    return "\n".join(parts)


def _servers_table(results: Results, model: str) -> str:
    reasons = results.failures.get(model, {})
    rows = []
    for server in results.servers:
        seconds = results.first_response_seconds(server.name, model)
        memory = results.memory_bytes(server.name, model)
        if server.name in reasons:
            reason = " ".join(reasons[server.name].replace("|", "/").split())
            rows.append([server.title, "not measured", "", reason])
        elif seconds is not None and memory is not None:
            row = [server.title, f"{seconds:.1f}", f"{memory / 1e6:.0f}"]
            rows.append([*row, _settings(server.settings)])
    for precision in _PRECISIONS:
        medians = [
            _engine_median(results, figure, precision, model)
            for figure in ("throughput", "cpu_ms", "p50_ms")
        ]
        if all(medians):
            text = "{:.1f} images/s, {:.1f} ms of CPU per image, p50 {:.1f} ms".format(*medians)
            rows.append([f"engine alone, {precision}", "", "", text])
    return table(["server", "first response, s", "memory, MB", "settings"], rows)


def _settings(environment: dict[str, str]) -> str:
    # OMP_NUM_THREADS repeats the number of threads.
    return ", ".join(
        f"{name.removeprefix('BENCH_').replace('_', ' ').lower()} {value}"
        for name, value in environment.items()
        if name != "OMP_NUM_THREADS"
    )


def _cells_table(results: Results, model: str, size: str) -> str:
    rows = [
        [str(client_count), server.title, f"{cell.throughput:.1f}", f"{cell.p50_ms:.1f}",
         f"{cell.p99_ms:.0f}", f"{cell.cpu_ms:.1f}", str(cell.refused), str(cell.failed)]
        for client_count in results.options["client_counts"]
        for server in results.servers
        if (cell := results.cell(server.name, model, size, client_count))
    ]  # fmt: skip
    heads = ["clients", "server", "responses/s", "p50, ms", "p99, ms", "CPU ms per response"]
    return table([*heads, "503", "errors"], rows)


def _panels(results: Results, model: str) -> list[Panel]:
    title = f"{_title(model)}, {IMAGE_SIZE} JPEG"
    throughput = f"{title}: responses per second, {BUSY_CLIENTS} clients"
    latency = f"{title}: p50 in milliseconds, 1 client"
    return [
        Panel(throughput, _bars(results, model, "throughput", BUSY_CLIENTS)[::-1]),
        Panel(latency, _bars(results, model, "p50_ms", 1)),
    ]


def _bars(results: Results, model: str, figure: Figure, client_count: int) -> list[Bar]:
    """Return the bars of a figure, lowest first."""
    engine = [
        Bar(f"engine alone, {precision}", "engine", value)
        for precision in _PRECISIONS
        if (value := _engine_median(results, figure, precision, model))
    ]
    servers = [
        Bar(server.title, server.kind, getattr(cell, figure))
        for server in results.servers
        if (cell := results.cell(server.name, model, IMAGE_SIZE, client_count))
    ]
    return sorted([*engine, *servers], key=lambda bar: bar.value)


def _engine_median(results: Results, figure: Figure, precision: str, model: str) -> float:
    by_round = results.engine_by_round(figure, precision, model)
    return statistics.median(by_round.values()) if by_round else 0.0


def _title(model: str) -> str:
    return _TITLE_BY_MODEL.get(model, model)
