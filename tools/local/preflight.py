"""Check the ports and the settings of `make up` before anything is installed or synthesized."""

import argparse
import os
from pathlib import Path

from local_cloud.clock import minute_of
from local_cloud.errors import LifecycleError
from local_cloud.place import Place
from local_cloud.ports import usable_ports
from stacks.errors import SettingsError
from stacks.settings.stage_file import read_stage_file
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.local.cloud_process import add_state_directory
from tools.make_variables import MakeParser

CLOUD_VARIABLES = {
    "--port": "PORT",
    "--public-port": "PUBLIC_PORT",
    "--minute-seconds": "MINUTE_SECONDS",
}
_STAGE = "local"
_CONFIG = ROOT / "config"


def main() -> None:
    """Check the ports, and that the stage's file can be read."""
    parser = MakeParser(
        variables=CLOUD_VARIABLES, prog="python -m tools.local.preflight", description=__doc__
    )
    add_cloud_options(parser)
    add_state_directory(parser, "the cloud's files")
    parser.add_argument(
        "--settings",
        action="store_true",
        help="check the value of each setting, too, which needs the virtual environment",
    )
    arguments = parser.parse()
    check_ports(arguments.state_directory, arguments.port, arguments.public_port)
    check_settings(values=arguments.settings)


def add_cloud_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the local cloud: its ports and its minute."""
    parser.add_argument(
        "--port", type=_port, default=4566, help="TLS port of the AWS APIs; 0: free (%(default)s)"
    )
    parser.add_argument(
        "--public-port",
        type=_port,
        default=4580,
        help="plain-http port of the page and the API; 0: free (%(default)s)",
    )
    parser.add_argument(
        "--minute-seconds",
        type=minute_of,
        help="real seconds of a minute of metrics, alarms, scaling, rollouts (60)",
    )


def check_ports(state_directory: Path, port: int, public_port: int) -> None:
    """Check that the ports are free, unless a local cloud of this directory may have them.

    Raises:
        ToolError: a port cannot be used; the message says why and names other ports.
    """
    record = Place(state_directory.absolute()).read_record()
    if record is not None and _exists(record.process_id):
        return
    try:
        usable_ports(port, public_port)
    except LifecycleError as error:
        raise ToolError(str(error)) from error


def check_settings(*, values: bool) -> None:
    """Check the file of the stage `local`.

    Args:
        values: whether to check each setting, too.

    Raises:
        ToolError: the file or a setting is not valid.
    """
    if values:
        # pydantic, which it imports, is not installed before.
        from tools.account.account import read_stage

        read_stage(_STAGE)
        return
    try:
        read_stage_file(_STAGE, _CONFIG)
    except SettingsError as error:
        raise ToolError(str(error)) from error


def _exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 0 to 65535")
    return int(text)


if __name__ == "__main__":
    run_tool(main)
