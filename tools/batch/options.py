"""The options of `make batch`."""

import argparse
from pathlib import Path
from typing import Final

from tools.batch.runs import check_run_name
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser
from tools.s3_uri import parse_s3_uri
from tools.stage_access import LOCAL

S3_SCHEME: Final = "s3://"
_VARIABLES = {"--source": "SRC", "--destination": "DST", "--stage": "STAGE", "--run": "RUN"}


def parse(description: str | None) -> argparse.Namespace:
    """Return the options; exit with 2 if one is not valid.

    Args:
        description: of the tool, for `--help`.
    """
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.batch.run", description=description
    )
    parser.add_argument("--source", help="a folder of images, or s3://<bucket>/<prefix>")
    parser.add_argument("--destination", help="a folder for the results, or s3://<bucket>/<prefix>")
    parser.add_argument("--stage", default=LOCAL, help="names config/<stage>.toml (%(default)s)")
    parser.add_argument("--run", help="name of a run that is continued, as it was printed")
    parser.add_argument("--stop", action="store_true", help="stop the job of the run")
    add_deployment(parser)
    arguments = parser.parse()
    if arguments.run:
        if problem := check_run_name(arguments.run):
            parser.error(f"argument --run: {problem}")
        if arguments.source:
            parser.error("argument --source: leave it out: the run knows its images")
        if arguments.destination:
            _check_address(parser, "destination", arguments.destination)
    elif arguments.stop:
        parser.error("argument --run: expected the name of the run to stop")
    else:
        _check_places(parser, arguments)
    return arguments


def _check_address(parser: MakeParser, option: str, value: str | None) -> None:
    if not value:
        parser.error(f"argument --{option}: expected a folder, or s3://<bucket>/<prefix>")
    if value.startswith(S3_SCHEME):
        try:
            parse_s3_uri(value)
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument --{option}: {error}")


def _check_places(parser: MakeParser, arguments: argparse.Namespace) -> None:
    for option in ("source", "destination"):
        _check_address(parser, option, getattr(arguments, option))
    source, destination = arguments.source, arguments.destination
    if source.startswith(S3_SCHEME):
        inside = f"{destination.rstrip('/')}/".startswith(f"{source.rstrip('/')}/")
    elif not Path(source).is_dir():
        parser.error(f"argument --source: {source!r} is not a folder")
    else:
        is_local = not destination.startswith(S3_SCHEME)
        inside = is_local and Path(destination).resolve().is_relative_to(Path(source).resolve())
    if inside:
        parser.error("argument --destination: expected a place outside of SRC, whose files are all "
                     "taken for images")  # fmt: skip
