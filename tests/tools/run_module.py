"""Runs a tool's module as a program, in this process: one of its own imports boto3 for a second."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
import warnings
from collections.abc import Mapping

import pytest


def run_module(
    name: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python -m <name>`; an error that it does not turn into a message is raised.

    Args:
        name: the module's.
        arguments: its command line.
        environment: in place of this process's, as for subprocess.
    """
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        warnings.catch_warnings(),
    ):
        # Other tests may have imported it.
        warnings.filterwarnings("ignore", f"'{name}' found in sys.modules", RuntimeWarning)
        if environment is not None:
            for variable in set(os.environ) - set(environment):
                patch.delenv(variable)
            for variable, value in environment.items():
                patch.setenv(variable, value)
        patch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(name, run_name="__main__")
    status = ended.value.code
    assert isinstance(status, int | None), "run_tool exits with a status"
    return subprocess.CompletedProcess(
        [name, *arguments], status or 0, _read(output), _read(errors)
    )


def _read(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
