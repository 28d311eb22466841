"""The options of `make load`, and their bounds."""

import argparse
from pathlib import Path

from tools.cdk import ROOT
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser, number_between

_VARIABLES = {
    "--stage": "STAGE",
    "--rate": "RATE",
    "--minutes": "MINUTES",
    "--target": "TARGET",
    "--images": "IMAGES",
    "--model": "MODEL",
}
TARGETS = ("api", "endpoint")
# One sender keeps its times up to 600 a second with a photo (two cores, 2026-11); beyond, it would
# measure itself.
MIN_RATE, MAX_RATE = 0.1, 500.0
# Shorter ones have no time for a connection, longer ones are no test.
_MIN_MINUTES, _MAX_MINUTES = 0.05, 240.0
# All outcomes are kept in memory.
_MAX_REQUESTS = 1_000_000
_DEFAULT_RATE, _DEFAULT_MINUTES = 2.0, 1.0
_DEFAULT_STEP_MINUTES = 1 / 6
_RATE = number_between(MIN_RATE, MAX_RATE, "requests a second: one sender can send no more")
_MINUTES = number_between(_MIN_MINUTES, _MAX_MINUTES, "minutes, of which 0.05 are 3 seconds")


def parse_options(description: str | None) -> argparse.Namespace:
    """Return the options; exit with 2 if one is not valid.

    Args:
        description: of the tool.
    """
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.load.run", description=description
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument(
        "--rate", type=_RATE,
        help=f"requests a second, {MIN_RATE:g} to {MAX_RATE:g} ({_DEFAULT_RATE:g}); with --measure "
        "of the first step (from the latency of a single request)",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=_MINUTES,
        help=f"for how long, {_MIN_MINUTES:g} to {_MAX_MINUTES:g} minutes of 60 s "
        f"({_DEFAULT_MINUTES:g}); with --measure of each step ({_DEFAULT_STEP_MINUTES:.2g})",
    )  # fmt: skip
    parser.add_argument(
        "--target", choices=TARGETS,
        help="the API, or the endpoint without it (api; with --measure endpoint)",
    )  # fmt: skip
    parser.add_argument(
        "--images", metavar="FOLDER",
        help="an image, a folder or a pattern (the sample images of the model, else a photo)",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=Path, help="folder of the deployed model, for its images and precision"
    )
    parser.add_argument(
        "--measure", action="store_true",
        help="find the most requests a second that one instance can respond to, and write it into "
        "config/<stage>.toml",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="send without confirmation")
    parser.add_argument(
        "--config", type=Path, default=ROOT / "config", help="folder of the stages (%(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "build" / "load",
        help="the files to write, without their suffix: a plot and a trace (build/load)",
    )  # fmt: skip
    add_deployment(parser)
    options = parser.parse()
    if options.minutes is None:
        options.minutes = _DEFAULT_STEP_MINUTES if options.measure else _DEFAULT_MINUTES
    if options.rate is None and not options.measure:
        options.rate = _DEFAULT_RATE
    if options.target is None:
        options.target = "endpoint" if options.measure else "api"
    requests = 60 * options.minutes * (options.rate or 0.0)
    if requests > _MAX_REQUESTS:
        parser.error(
            f"argument --minutes: {options.minutes:g} at --rate {options.rate:g} are "
            f"{requests:,.0f} requests: expected at most {_MAX_REQUESTS:,}, kept in memory"
        )
    return options
