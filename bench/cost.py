"""`python -m bench.cost`: responses a second and images a US dollar by model and precision."""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import inputs
from bench.cost_document import BF16, write_cost_document
from bench.programs import ROOT, BenchError, run_program
from bench.report import make_parser
from bench.results import EngineSample, Results, read_results
from bench.rounds import ENGINE_SCRIPT, Plan, run
from bench.servers import OUR_PROGRAMS, OURS
from bench.targets import BUSY_CLIENTS
from classifier.engines.processor import has_bf16

MODELS: Final = (inputs.PUBLISHED_MODEL, *inputs.MODELS)
IMAGE_SIZE: Final = "500x375"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the document; return 1 after one line with the error."""
    parser = make_parser("cost", __doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="of all cells")
    add("--seconds", type=float, default=2.0, help="to measure each cell")
    add("--calibration", type=Path, help=f"folder of photos, to make {inputs.PUBLISHED_MODEL} int8")
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
        calibration=options.calibration and options.calibration.resolve(),
    )
    results = run(plan)
    if has_bf16():
        results.engine += [_engine_in_bf16(model, plan) for model in MODELS]
    return results


def _engine_in_bf16(model: str, plan: Plan) -> EngineSample:
    """Measure OpenVINO alone: the seeded networks cannot pass the check of bf16."""
    folder = inputs.prepare_model(model, plan.cache, plan.calibration)
    network = inputs.network_files(folder)["fp32"]
    command = (OUR_PROGRAMS / "python", ENGINE_SCRIPT, network, str(plan.seconds), BF16)
    rounds = [json.loads(run_program(*command)) for _ in range(plan.rounds)]
    medians = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
    return EngineSample(precision=BF16, model=model, round=0, **medians)


if __name__ == "__main__":
    sys.exit(main())
