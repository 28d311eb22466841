"""`make bench-serving`: our model server beside its peers, on the same weights and machine."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from bench.document import write_document
from bench.errors import BenchError
from bench.inputs import MODELS, PICTURES
from bench.machine import describe_machine, describe_versions
from bench.results import Results, read_results
from bench.rounds import Plan, run
from bench.server import ROOT
from bench.servers import OURS, PEER_SERVERS

_DEFAULT_CLIENTS: Final = (1, 4, 16, 64)
_QUICK_ROUNDS: Final = 1
_QUICK_SECONDS: Final = 1.5
_LEAST_SECONDS: Final = 0.5
_MOST: Final = 1000
_RESULTS_FILE: Final = "serving.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, or with --render only write the document; return 1 with one line where impossible."""
    signal.signal(signal.SIGTERM, _interrupt)
    options = _parse(arguments)
    results_file: Path = options.cache / _RESULTS_FILE
    try:
        if not options.render:
            _run(options, results_file)
        write_document(read_results(results_file), options.output)
    except BenchError as error:
        print(f"bench.serving: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench.serving: stopped; every server has ended", file=sys.stderr)
        return 130
    print(f"Written: {options.output}")
    return 0


def _run(options: argparse.Namespace, results_file: Path) -> None:
    plan = Plan(
        servers=[*OURS, *(peer for peer in PEER_SERVERS if peer.name in options.peers)],
        models=options.models,
        pictures=options.pictures,
        client_counts=options.clients,
        rounds=_QUICK_ROUNDS if options.quick else options.rounds,
        seconds=_QUICK_SECONDS if options.quick else options.seconds,
        cache=options.cache,
    )
    results = Results(
        machine=describe_machine(),
        versions=describe_versions(),
        settings={server.name: server.environment for server in plan.servers},
        options={
            "models": list(plan.models),
            "pictures": list(plan.pictures),
            "clients": list(plan.client_counts),
            "rounds": plan.rounds,
            "seconds": plan.seconds,
        },
    )
    run(plan, results)
    results.write(results_file)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    peers = [peer.name for peer in PEER_SERVERS]
    # Two cores: 35 minutes. What the targets speak of gets the time, see rounds.py.
    parser.add_argument("--rounds", type=_count, default=3, help="(%(default)s)")
    parser.add_argument("--seconds", type=_seconds, default=3.0, help="each cell (%(default)s)")
    parser.add_argument("--peers", type=_some_of(peers), default=peers, help=", ".join(peers))
    parser.add_argument("--models", type=_some_of(MODELS), default=MODELS, help=", ".join(MODELS))
    parser.add_argument(
        "--pictures", type=_some_of(PICTURES), default=PICTURES, help=", ".join(PICTURES)
    )
    parser.add_argument(
        "--clients", type=_counts, default=_DEFAULT_CLIENTS, help="such as 1,16 (1,4,16,64)"
    )
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "build" / "bench", help="folder (%(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "docs" / "benchmarks" / "serving.md",
        help="the document; its plot lies beside it (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help=f"{_QUICK_ROUNDS} round of {_QUICK_SECONDS} s: shows that all works, not how fast",
    )  # fmt: skip
    parser.add_argument(
        "--render", action="store_true", help="write the document of the last run again"
    )
    options = parser.parse_args(arguments)
    options.cache = options.cache.resolve()
    return options


def _some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown)} is unknown; there are {', '.join(known)}"
            )
        return names

    return parse


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {_MOST}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _LEAST_SECONDS <= seconds <= _MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds from {_LEAST_SECONDS} to {_MOST}"
        )
    return seconds


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
