import subprocess
import sys

import pytest

from tools.cdk import ROOT
from tools.deploy import deploy_command


def test_the_cli_is_free_to_ask() -> None:
    # With --concurrency it refuses to deploy whatever widens access, as each first deployment does.
    command = deploy_command("dev", ask=True)
    assert "--concurrency" not in command
    assert command[command.index("--require-approval") + 1] == "broadening"
    assert command[command.index("-c") + 1] == "stage=dev"


def test_a_script_is_not_asked() -> None:
    command = deploy_command("dev", ask=False)
    assert command[command.index("--require-approval") + 1] == "never"


@pytest.mark.parametrize(
    ("tool", "stage", "reason"),
    [
        ("deploy", "local", "by `make up`"),
        ("deploy", "nobody", "expected one of dev, local, prod"),
        ("bootstrap", "nobody", "expected one of dev, local, prod"),
        ("destroy", "nobody", "expected one of dev, local, prod"),
        ("destroy", "prod", "The stage prod is protected"),
        ("quotas", "nobody", "expected one of dev, local, prod"),
        ("quotas", "local", "it goes to this machine"),
        ("api_key", "nobody", "expected one of dev, local, prod"),
    ],
)
def test_a_wrong_stage_is_told_in_one_line(tool: str, stage: str, reason: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", "--stage", stage],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1
