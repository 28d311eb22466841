"""`python -m bench.profile_serving`: where the CPU time of a response goes, by process and stage.

With `--before` it compares two checkouts of the project, driven in turn.
"""

import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final, get_args

from bench import inputs
from bench.load import drive
from bench.process_tree import Thread
from bench.programs import ROOT, BenchError, run_program
from bench.report import heading, make_parser, table
from bench.running import RunningServer, start
from bench.servers import OUR_PROGRAMS, OurPrecision, ours
from bench.stages import STAGES, Sampler, Stage, split_by_stage

_MODEL: Final = "mobilenet_v2"
_IMAGE_SIZE: Final = "500x375"
_NOW: Final = "now"
_METHOD: Final = """\
Our server with a JPEG of 500x375 and clients as in serving.md. The CPU time of each thread is the \
kernel's; within a thread it is divided as the samples of `perf` are, by library. Medians of \
{rounds} rounds of {seconds:g} s, in which each checkout was driven in turn; before is `{before}`. \
Resizing is the library of ADR 25 where the environment has it."""


@dataclass(frozen=True)
class Sample:
    """What one window of a server showed: responses per second, p50, CPU time of a response."""

    throughput: float
    p50_ms: float
    stage_ms: dict[Stage, float]

    @property
    def cpu_ms(self) -> float:
        """CPU time of a response in all stages."""
        return sum(self.stage_ms.values())


# By model, number of clients, and checkout (`before`, `now`); a sample for each round.
Samples = dict[tuple[str, int, str], list[Sample]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the document; return 1 after one line with the error."""
    parser = make_parser("profile_serving", __doc__)
    add = parser.add_argument
    add("--before", type=Path, help="another checkout of the project, to compare with")
    add("--artifacts", type=Path, nargs="+", help="unpacked artifacts (default: MobileNetV2)")
    add("--precision", choices=get_args(OurPrecision), default="int8", help="of the network")
    add("--clients", type=int, nargs="+", default=[1, 16], help="numbers of clients")
    add("--rounds", type=int, default=4, help="of all cells")
    add("--seconds", type=float, default=3.0, help="to measure each cell")
    add("--cache", type=Path, default=ROOT / "build" / "bench", help="folder for inputs")
    parser.set_defaults(output=ROOT / "docs" / "benchmarks" / "profile.md")
    options = parser.parse_args(arguments)
    checkouts = {_NOW: ROOT}
    if options.before is not None:
        checkouts = {"before": options.before.resolve(), _NOW: ROOT}
    samples: Samples = {}
    try:
        image = inputs.prepare_images(options.cache)[_IMAGE_SIZE]
        artifacts = options.artifacts or [
            inputs.earlier(inputs.prepare_model(_MODEL, options.cache)) / "artifact"
        ]
        titles = {artifact: _title(artifact) for artifact in artifacts}
        for artifact, title in titles.items():
            with _servers(artifact.resolve(), checkouts, options.precision, image) as servers:
                cells = itertools.product(range(options.rounds), options.clients)
                for number, clients in cells:
                    for name, server in list(servers.items())[:: -1 if number % 2 else 1]:
                        sample = _measure(server, image, clients, options.seconds)
                        key = (title, clients, name)
                        samples.setdefault(key, []).append(sample)
                        print(*key, f"{sample.throughput:.0f}/s, {sample.cpu_ms:.2f} ms")
    except BenchError as error:
        print(f"bench.profile_serving: {error}", file=sys.stderr)
        return 1
    method = _METHOD.format(
        rounds=options.rounds, seconds=options.seconds, before=_revision(checkouts)
    )
    options.output.write_text(render(samples, method, options.precision), encoding="utf-8")
    print(f"Written: {options.output}")
    return 0


def render(samples: Samples, method: str, precision: str) -> str:
    """Return the document."""
    parts = [
        heading("Where the CPU time of a response goes", "python -m bench.profile_serving"),
        method + "\n",
    ]
    for model in dict.fromkeys(key[0] for key in samples):
        columns = [key for key in samples if key[0] == model]
        columns.sort(key=lambda key: key[1])
        parts.append(f"## {model}, {precision}\n")
        heads = [_column(name, clients) for _, clients, name in columns]
        parts.append(table(["CPU ms per response", "", *heads], _rows(samples, columns)))
        parts += _comparison(samples, columns)
    return "\n".join(parts)


def _rows(samples: Samples, columns: Sequence[tuple[str, int, str]]) -> Iterator[list[str]]:
    def row(head: Sequence[str], values: Sequence[float], digits: int) -> list[str]:
        return [*head, *(f"{value:.{digits}f}" for value in values)]

    for stage in STAGES:
        yield row(stage, [_median(samples[key], stage) for key in columns], 2)
    for title, figure, digits in (
        ("CPU ms", "cpu_ms", 2), ("p50, ms", "p50_ms", 1), ("responses/s", "throughput", 0),
    ):  # fmt: skip
        values = [statistics.median(getattr(s, figure) for s in samples[key]) for key in columns]
        yield row(["all", title], values, digits)


def _comparison(samples: Samples, columns: Sequence[tuple[str, int, str]]) -> Iterator[str]:
    """Tell how often as many responses there are as before, in the rounds."""
    for model, clients, name in columns:
        if name == _NOW:
            continue
        pairs = list(zip(samples[model, clients, name], samples[model, clients, _NOW], strict=True))
        for title, figure in (("responses per second", "throughput"), ("CPU time", "cpu_ms")):
            ratios = sorted(getattr(now, figure) / getattr(old, figure) for old, now in pairs)
            yield (
                f"{_column('Now / before', clients)}: {title} {statistics.median(ratios):.2f} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f}).\n"
            )


def _column(name: str, clients: int) -> str:
    return f"{name}, {clients} client{'s' if clients > 1 else ''}"


def _median(samples: Sequence[Sample], stage: Stage) -> float:
    return statistics.median(sample.stage_ms[stage] for sample in samples)


@contextmanager
def _servers(
    artifact: Path, checkouts: dict[str, Path], precision: OurPrecision, image: bytes
) -> Iterator[dict[str, RunningServer]]:
    with ExitStack() as stack:
        servers = {}
        for name, root in checkouts.items():
            server = ours(precision, root)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "artifact").symlink_to(artifact)
            servers[name] = stack.enter_context(
                start(server, programs=OUR_PROGRAMS, inputs=folder, scratch=folder / "scratch",
                      image=image)
            )  # fmt: skip
            servers[name].processes.pause()
        yield servers


def _measure(server: RunningServer, image: bytes, clients: int, seconds: float) -> Sample:
    readings: list[dict[Thread, float]] = []
    samplers: list[Sampler] = []
    with tempfile.TemporaryDirectory() as folder:
        server.processes.resume()

        def read() -> float:
            readings.append(server.processes.thread_cpu_seconds())
            if not samplers:
                processes = {thread.process_id for thread in readings[0]}
                samplers.append(Sampler(processes, Path(folder) / "perf.data"))
                time.sleep(0.2)  # it starts
                readings[0] = server.processes.thread_cpu_seconds()
            return 0.0

        request = server.server.request(image)
        window = drive(server.port, request, client_count=clients, seconds=seconds, read_cpu=read)
        server.processes.pause()
        samples = samplers[0].stop()
    before, after = readings
    used = {thread: after[thread] - before[thread] for thread in before if thread in after}
    latencies = sorted(window.latencies_ms(HTTPStatus.OK))
    if not latencies:
        raise BenchError("no response with status 200")
    stages = split_by_stage(used, samples)
    return Sample(
        throughput=window.throughput,
        p50_ms=statistics.median(latencies),
        stage_ms={stage: 1000 * spent / len(latencies) for stage, spent in stages.items()},
    )


def _title(artifact: Path) -> str:
    manifest = artifact / "manifest.json"
    if not manifest.is_file():
        raise BenchError(f"{artifact} has no manifest.json; name folders of unpacked artifacts")
    return str(json.loads(manifest.read_text())["name"])


def _revision(checkouts: dict[str, Path]) -> str:
    git = ("git", "-C", str(checkouts.get("before", ROOT)), "log", "-1", "--format=%s")
    return run_program(*git).strip()


if __name__ == "__main__":
    sys.exit(main())
