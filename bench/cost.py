"""`python -m bench.cost`: responses a second and images a US dollar by model and precision."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.cost_document import write_cost_document
from bench.figures import BUSY_CLIENTS, IMAGE_SIZE
from bench.inputs import MODELS
from bench.plan import Plan
from bench.programs import ROOT, BenchError
from bench.report import make_parser
from bench.results import Results, read_results
from bench.rounds import run
from bench.servers import OURS


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the document; return 1 after one line with the error."""
    parser = make_parser("cost", __doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="of all cells")
    add("--seconds", type=float, default=2.0, help="to measure each cell")
    add("--cache", type=Path, default=ROOT / "build" / "bench", help="inputs, results, logs")
    add("--render", action="store_true", help="only write the document of the last run again")
    options = parser.parse_args(arguments)
    file: Path = options.cache.resolve() / "cost.json"
    try:
        if not options.render:
            _measure(options).write(file)
        write_cost_document(read_results(file), options.output)
    except BenchError as error:
        print(f"bench.cost: {error}", file=sys.stderr)
        return 1
    print(f"Written: {options.output}")
    return 0


def _measure(options: argparse.Namespace) -> Results:
    plan = Plan(
        servers=OURS,
        models=MODELS,
        image_sizes=[IMAGE_SIZE],
        client_counts=[BUSY_CLIENTS],
        rounds=options.rounds,
        seconds=options.seconds,
        cache=options.cache.resolve(),
    )
    return run(plan)


if __name__ == "__main__":
    sys.exit(main())
