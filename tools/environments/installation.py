"""Runs the programs that install virtual environments."""

import os
import sys
from typing import Final

from tools.cdk import ROOT
from tools.console import ToolError, run_logged, step
from tools.environments.environment import Environment

UV: Final = ROOT / ".venv" / "bin" / "uv"
_BYTE_CODE_FOLDER: Final = "PYTHONPYCACHEPREFIX"


def install_app(environment: Environment, *, anew: bool) -> None:
    """Install the environment of the app and the tools, which has uv for the others.

    Args:
        environment: the environment.
        anew: whether to delete what is in its folder.

    Raises:
        ToolError: as `run_installer`.
    """
    with step(environment.title):
        if anew:
            run_installer(environment, sys.executable, "-m", "venv", "--clear", environment.folder)
        if anew or not UV.exists():
            pip = (str(environment.python), "-m", "pip", "install", "--quiet")
            run_installer(environment, *pip, "--disable-pip-version-check", _pinned_uv())
        run_uv(
            environment,
            "pip",
            "sync",
            "--python",
            str(environment.python),
            *environment.requirements,
        )


def install_packages(environment: Environment, *, anew: bool) -> None:
    """Install an environment of pinned packages, with the app's Python.

    Args:
        environment: the environment.
        anew: whether to delete what is in its folder.

    Raises:
        ToolError: as `run_installer`.
    """
    with step(environment.title):
        if anew:
            create(environment)
        # With byte code, because the local cloud's processes write none.
        sync = ("pip", "sync", "--compile-bytecode", "--python", str(environment.python))
        run_uv(environment, *sync, *environment.requirements)


def create(environment: Environment) -> None:
    """Create an empty environment with the app's Python.

    Raises:
        ToolError: as `run_installer`.
    """
    app_python = str(ROOT / ".venv" / "bin" / "python")
    run_uv(environment, "venv", "--clear", "--python", app_python, environment.folder)


def run_uv(environment: Environment, *arguments: str) -> None:
    """Run uv; see `run_installer`."""
    run_installer(environment, str(UV), "--quiet", *arguments)


def run_installer(environment: Environment, *command: str) -> None:
    """Run a program of an installation; its output goes to a log.

    Raises:
        ToolError: it failed; the message has the end of its output and the path of the log.
    """
    # The programs of the local cloud start with few variables, so their byte code must lie beside
    # the modules.
    variables = {name: value for name, value in os.environ.items() if name != _BYTE_CODE_FOLDER}
    name = environment.path.name.lstrip(".")
    log_file = ROOT / "build" / "logs" / "environments" / f"{name}.log"
    try:
        run_logged(command, environment=variables, log_file=log_file, directory=ROOT)
    except ToolError as error:
        raise ToolError(
            f"{environment.folder} could not be installed:\n{error}\nIf the network is down or the "
            "disk is full, mend that and run the same command again: it continues."
        ) from error


def _pinned_uv() -> str:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(line.split()[0] for line in lines if line.startswith("uv=="))
