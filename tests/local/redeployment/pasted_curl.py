"""The `curl` line that `make up` prints."""

import shlex
import subprocess
from pathlib import Path

from tools.cdk import ROOT


def check_pasted_curl(output: str, folder: Path = ROOT) -> None:
    """Run the printed command as a shell would in the folder of `make up`."""
    command = output[output.index("curl --noproxy") :].partition("\n\n")[0]
    ended = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --silent --show-error ", 1)],  # noqa: S607
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert '"predictions"' in ended.stdout, ended.stdout + shlex.quote(command)
