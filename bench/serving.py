"""`make bench-serving`: our model server beside its peers, on the same weights and machine."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.document import write_document
from bench.figures import BUSY_CLIENTS, IMAGE_SIZE
from bench.inputs import IMAGE_SIZES, MODELS
from bench.plan import Plan
from bench.programs import ROOT, BenchError
from bench.report import make_parser
from bench.results import read_results
from bench.rounds import run
from bench.server import Server
from bench.servers import OURS, PEERS, ours

_MIN_SECONDS: Final = 0.5
_MAX_VALUE: Final = 1000
_OF_TARGETS: Final = {
    "rounds": 5,
    "peers": ["mosec-openvino"],
    "image_sizes": [IMAGE_SIZE],
    "clients": [1, BUSY_CLIENTS],
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the document; return 1 after one line with the error."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _parse(arguments)
    results_file: Path = options.cache / "serving.json"
    plan = Plan(
        servers=_servers(options),
        models=options.models,
        image_sizes=options.image_sizes,
        client_counts=options.clients,
        rounds=1 if options.quick else options.rounds,
        seconds=1.5 if options.quick else options.seconds,
        cache=options.cache,
        before=options.before,
    )
    try:
        if not options.render:
            run(plan).write(results_file)
        write_document(read_results(results_file), options.output)
    except BenchError as error:
        print(f"bench.serving: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench.serving: interrupted; every server has ended", file=sys.stderr)
        return 130
    print(f"Written: {options.output}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser("serving", __doc__)
    peers = [peer.name for peer in PEERS]
    add = parser.add_argument
    add("--targets", action="store_true", help="only what is close to the limit (20 minutes)")
    add("--before", type=Path, help="another checkout of the project, to compare with")
    add("--rounds", type=_count, default=4, help="of all cells")
    add("--seconds", type=_seconds, default=3.0, help="to measure each cell")
    add("--peers", nargs="*", choices=peers, default=peers, help="servers beside ours")
    add("--models", nargs="+", choices=MODELS, default=MODELS, help="architectures")
    add("--image-sizes", nargs="+", choices=IMAGE_SIZES, default=IMAGE_SIZES, help="in pixels")
    add("--clients", nargs="+", type=_count, default=[1, 4, 16, 64], help="numbers of clients")
    add("--cache", type=Path, default=ROOT / "build" / "bench", help="environments, inputs, logs")
    add("--quick", action="store_true", help="1 round of 1.5 s: a check that all works")
    add("--render", action="store_true", help="only write the document of the last run again")
    if parser.parse_known_args(arguments)[0].targets:
        parser.set_defaults(**_OF_TARGETS)
    options = parser.parse_args(arguments)
    options.cache = options.cache.resolve()
    if options.before is not None:
        options.before = options.before.resolve()
        if options.before == ROOT or not (options.before / "model_code" / "serve.py").is_file():
            parser.error(f"argument --before: not another checkout: {options.before}")
    return options


def _servers(options: argparse.Namespace) -> list[Server]:
    own = [server for server in OURS if not (options.targets and server.precision == "bf16")]
    before: list[Server] = []
    if options.before is not None:
        before = [ours(precision, options.before) for precision in ("fp32", "int8")]
    return [*own, *before, *(peer for peer in PEERS if peer.name in options.peers)]


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_VALUE):
        raise argparse.ArgumentTypeError(f"not a whole number from 1 to {_MAX_VALUE}: {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _MIN_SECONDS <= seconds <= _MAX_VALUE:
        raise argparse.ArgumentTypeError(f"not {_MIN_SECONDS} to {_MAX_VALUE} seconds: {text!r}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
