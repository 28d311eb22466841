"""Check the ports and the settings of `make up` before anything is installed or synthesized."""

import argparse
from pathlib import Path

from local_cloud.clock import minute_of
from local_cloud.errors import LifecycleError
from local_cloud.ports import usable_ports
from stacks.errors import SettingsError
from stacks.settings.layers import read_layers
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.local.chosen_preset import add_preset, choose_preset, is_running
from tools.local.cloud_process import add_state_directory
from tools.make_variables import MakeParser

CLOUD_VARIABLES = {
    "--preset": "PRESET",
    "--port": "PORT",
    "--public-port": "PUBLIC_PORT",
    "--minute-seconds": "MINUTE_SECONDS",
}
_STAGE = "local"
_CONFIG = ROOT / "config"


def main() -> None:
    """Check the ports, the preset, and that the stage's file can be read."""
    parser = MakeParser(
        variables=CLOUD_VARIABLES, prog="python -m tools.local.preflight", description=__doc__
    )
    add_cloud_options(parser)
    add_state_directory(parser, "the cloud's files")
    add_preset(parser)
    parser.add_argument(
        "--settings",
        action="store_true",
        help="check the value of each setting, too, which needs the virtual environment",
    )
    arguments = parser.parse()
    check_ports(arguments.state_directory, arguments.port, arguments.public_port)
    preset = choose_preset(arguments.state_directory, arguments.preset)
    check_settings(preset, values=arguments.settings)


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
    if is_running(state_directory):
        return
    try:
        usable_ports(port, public_port)
    except LifecycleError as error:
        raise ToolError(str(error)) from error


def check_settings(preset: str | None, *, values: bool) -> None:
    """Check the file of the stage `local`, and its preset.

    Args:
        preset: comes before the file; None: the file may name one.
        values: whether to check each setting, too.

    Raises:
        ToolError: the file or a setting is not valid.
    """
    try:
        if values:
            # pydantic, which it imports, is not installed before.
            from stacks.settings.stage import load_stage_settings

            load_stage_settings(_STAGE, _CONFIG, preset)
        else:
            read_layers(_STAGE, _CONFIG, preset)
    except SettingsError as error:
        raise ToolError(str(error)) from error


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 0 to 65535")
    return int(text)


if __name__ == "__main__":
    run_tool(main)
