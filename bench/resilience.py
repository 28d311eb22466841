"""`make bench-resilience`: our model server under overload, misuse, and load for a long time.

64 clients on a queue for 8, one client after them; 100 slow senders; hostile images; and 20,000
requests.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bench import inputs
from bench.misuse import CLIENTS, SENDERS, hostile_images, measure_misuse
from bench.programs import ROOT, BenchError
from bench.report import Target, heading, make_parser, targets_table
from bench.results import percentile
from bench.running import RunningServer, start
from bench.servers import CORES, OUR_PROGRAMS, WHIPPET_FP32

_MODEL: Final = "mobilenet_v2"
_IMAGE_SIZE: Final = "500x375"
_QUEUE_LENGTH: Final = 8
_DEADLINE_MS: Final = 2000
_CROWD: Final = 64
_SOAK_CLIENTS: Final = 8
_PART_SECONDS: Final = 10.0
_RECOVERY_SECONDS: Final = 1.0
_SETTINGS: Final = {
    "WHIPPET_QUEUE_LENGTH": str(_QUEUE_LENGTH),
    "WHIPPET_DEADLINE_MS": str(_DEADLINE_MS),
}
_SERVER: Final = replace(WHIPPET_FP32, environment=WHIPPET_FP32.environment | _SETTINGS)


def main() -> int:
    """Measure and write the document; return 1 after one line with the error."""
    parser = make_parser("resilience", __doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="of the long run")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "bench", help="folder")
    options = parser.parse_args()
    targets: list[Target] = []
    try:
        image = inputs.prepare_images(options.cache)[_IMAGE_SIZE]
        folder = inputs.prepare_model(_MODEL, options.cache)
        misuse = partial(measure_misuse, seconds=_PART_SECONDS)
        for measure in (_measure_overload, misuse, partial(_measure_soak, options.requests)):
            with (
                tempfile.TemporaryDirectory() as scratch,
                start(_SERVER, programs=OUR_PROGRAMS, inputs=folder, scratch=Path(scratch),
                      image=image) as running,
            ):  # fmt: skip
                targets += measure(running, image)
    except BenchError as error:
        print(f"bench.resilience: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench.resilience: interrupted; the server has ended", file=sys.stderr)
        return 130
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(_document(targets), encoding="utf-8")
    print(f"Written: {options.output}")
    return 0


def _measure_overload(running: RunningServer, image: bytes) -> list[Target]:
    print(f"{_QUEUE_LENGTH} clients: peak throughput", flush=True)
    peak = running.drive(image, client_count=_QUEUE_LENGTH, seconds=_PART_SECONDS).throughput
    print(f"{_CROWD} clients on a queue for {_QUEUE_LENGTH}", flush=True)
    crowd = running.drive(image, client_count=_CROWD, seconds=_PART_SECONDS)
    recovery_ms = _recovery_ms(running, image)
    refusals_ms = crowd.latencies_ms(HTTPStatus.SERVICE_UNAVAILABLE)
    latencies_ms = crowd.latencies_ms(HTTPStatus.OK)
    median_ms = statistics.median(refusals_ms) if refusals_ms else 0.0
    others = len(crowd.exchanges) - len(refusals_ms) - len(latencies_ms)

    def at_most(name: str, value: float, bound: float, unit: str = "ms") -> Target:
        return Target(name=name, value=value, bound=bound, unit=unit, digits=0)

    return [
        at_most("responses other than 200 and 503", others, 0, unit=""),
        at_most(f"slowest of {len(refusals_ms)} responses 503 (median {median_ms:.0f} ms)",
                max(refusals_ms, default=0.0), 50),
        Target(name=f"throughput / that of {_QUEUE_LENGTH} clients ({peak:.0f} per second)",
               value=crowd.throughput / peak, bound=0.9, is_minimum=True),
        at_most("99th percentile of responses 200", percentile(latencies_ms, 0.99), _DEADLINE_MS),
        at_most("slowest response to one client in the second after the overload",
                recovery_ms, 2000),
    ]  # fmt: skip


def _recovery_ms(running: RunningServer, image: bytes) -> float:
    latencies_ms: list[float] = []
    while sum(latencies_ms) < 1000 * _RECOVERY_SECONDS:
        started = time.perf_counter()
        running.classify(image)
        latencies_ms.append((time.perf_counter() - started) * 1000)
    return max(latencies_ms)


def _measure_soak(request_count: int, running: RunningServer, image: bytes) -> list[Target]:
    memory_mb: dict[int, float] = {}
    done = errors = 0
    while done < request_count:
        window = running.drive(image, client_count=_SOAK_CLIENTS, seconds=_PART_SECONDS)
        done += len(window.exchanges)
        errors += sum(exchange.status != HTTPStatus.OK for exchange in window.exchanges)
        memory_mb[done] = running.processes.memory_bytes() / 1e6
        print(f"{done} requests, {memory_mb[done]:.0f} MB", flush=True)
    first, *_ = memory_mb
    growth = memory_mb[done] / memory_mb[first] - 1
    return [
        Target(name=f"errors of {done} requests", value=errors, bound=0, digits=0),
        Target(name=f"growth of memory from {first} requests ({memory_mb[first]:.0f} MB) to {done}",
               value=100 * growth, bound=5, unit="%", digits=1),
    ]  # fmt: skip


def _document(targets: list[Target]) -> str:
    hostile = ", ".join(hostile_images(b""))
    settings = ", ".join(f"`{name}={value}`" for name, value in _SETTINGS.items())
    return f"""\
{heading("The model server under overload", "make bench-resilience")}
MobileNetV2 in fp32, a JPEG of {_IMAGE_SIZE}, {settings}, {CORES} workers.

{_CROWD} clients in a closed loop on the same cores. A client that gets 503 waits as long as its
`Retry-After` says, and up to half as long again.

{CLIENTS} clients beside {SENDERS} slow senders, of which each sends a byte of its image every half
second, and beside hostile images, each sent by a client in a closed loop: {hostile}.

{targets_table(targets)}"""


if __name__ == "__main__":
    sys.exit(main())
