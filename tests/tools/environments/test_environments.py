"""Which virtual environments make installs, updates, makes again, or leaves as they are.

The programs that install (venv, pip, uv) are stand-ins that note their calls.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.deployment.builders import PYTHON_PROGRAM
from tests.tree_copy import copy_parts

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
MAKE = shutil.which("make") or "make"
LIBRARY_SOURCE = "model_code/classifier/image/resample.c"
COPIED = (
    "Makefile", "requirements", "requirements.txt", "stacks/__init__.py", "tools",
    "model_code/requirements-serving.txt", LIBRARY_SOURCE,
    "model_code/classifier/image/resample_library.py",
)  # fmt: skip

# In place of the standard library's module, which `python -m venv` finds here first.
FAKE_VENV = f"""import os, pathlib, shutil, sys
note = pathlib.Path("calls.txt")
note.write_text(note.read_text() + "venv " + " ".join(sys.argv[1:]) + "\\n")
folder = pathlib.Path(sys.argv[-1])
shutil.rmtree(folder, ignore_errors=True)
(folder / "lib" / "{VERSION}" / "site-packages").mkdir(parents=True)
(folder / "bin").mkdir()
shutil.copy("pip", folder / "bin" / "python")
"""
# In place of the new environment's Python: "installs" uv, and passes all else on.
FAKE_PIP = f"""{PYTHON_PROGRAM}import os, pathlib, shutil, sys
arguments = sys.argv[1:]
if arguments[:2] != ["-m", "pip"]:
    os.execv(sys.executable, [sys.executable, *arguments])
note = pathlib.Path("calls.txt")
note.write_text(note.read_text() + "pip " + " ".join(arguments[2:]) + "\\n")
shutil.copy(pathlib.Path("uv"), ".venv/bin/uv")
"""
FAKE_UV = f"""{PYTHON_PROGRAM}import os, pathlib, shutil, sys
arguments = sys.argv[1:]
note = pathlib.Path("calls.txt")
note.write_text(note.read_text() + "uv " + " ".join(arguments) + "\\n")
if os.environ.get("UV_FAILS"):
    sys.exit("error: no space left on device")
if "venv" in arguments:
    folder = pathlib.Path(arguments[-1])
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lib" / "{VERSION}" / "site-packages").mkdir(parents=True)
    (folder / "bin").mkdir()
    shutil.copy(pathlib.Path("pip"), folder / "bin" / "python")
"""


@dataclass(frozen=True)
class Clone:
    """A copy of what make needs to install the environments."""

    root: Path

    def make(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run make; only the calls of this run are noted."""
        (self.root / "calls.txt").write_text("")
        return subprocess.run(
            [MAKE, "--silent", target], cwd=self.root, capture_output=True, text=True,
            env=os.environ | variables, check=False,
        )  # fmt: skip

    def calls(self, target: str, **variables: str) -> list[str]:
        """Run make; return the first words of the installers' calls."""
        ended = self.make(target, **variables)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        noted = (self.root / "calls.txt").read_text().splitlines()
        return [" ".join(line.replace("--quiet ", "").split()[:2]) for line in noted]


NEW = ["venv --clear", "pip install", "uv pip"]
PACKAGES_NEW = ["uv venv", "uv pip"]
UPDATED = ["uv pip"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Installed; each test leaves it so."""
    root = tmp_path_factory.mktemp("clones") / "a folder with spaces"
    copy_parts(COPIED, root)
    for name, script in (("venv.py", FAKE_VENV), ("pip", FAKE_PIP), ("uv", FAKE_UV)):
        (root / name).write_text(script)
        (root / name).chmod(0o755)
    clone = Clone(root)
    assert clone.calls(".venv") == NEW
    assert clone.calls(".venvs/local-cloud") == PACKAGES_NEW
    return clone


def test_what_is_installed_is_left_as_it_is(installed: Clone) -> None:
    for environment in (".venv", ".venvs/local-cloud"):
        ended = installed.make(environment)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (installed.root / "calls.txt").read_text() == ""
    os.utime(installed.root / "requirements.txt")  # as a checkout of another branch and back does
    assert installed.calls(".venv") == []


def test_changed_requirements_are_installed_without_making_the_environment_again(
    installed: Clone,
) -> None:
    for environment, file in (
        (".venv", "requirements.txt"), (".venvs/local-cloud", "requirements/local-cloud.txt"),
    ):  # fmt: skip
        with (installed.root / file).open("a") as requirements:
            requirements.write("another==1.0\n")
        assert installed.calls(environment) == UPDATED
        assert installed.calls(environment) == []


def test_the_model_servers_library_is_compiled_from_its_source(
    installed: Clone, tmp_path: Path
) -> None:
    note = tmp_path / "compiled.txt"
    compiler = tmp_path / "compiler"
    # It fails, so that nothing is written into the environment of these tests.
    compiler.write_text(f'#!/bin/sh\necho "$@" >> {note}\nexit 1\n')
    compiler.chmod(0o755)
    for change, expected in (("", PACKAGES_NEW), ("// changed\n", UPDATED)):
        with (installed.root / LIBRARY_SOURCE).open("a") as source:
            source.write(change)
        ended = installed.make(".venvs/serving", CC=str(compiler))
        assert ended.returncode == 0, ended.stderr
        assert "resample.c does not compile here" in ended.stdout
        assert LIBRARY_SOURCE in note.read_text()
        note.unlink()
        noted = (installed.root / "calls.txt").read_text().splitlines()
        assert [line.replace("--quiet ", "").split()[:2] for line in noted] == [
            call.split() for call in expected
        ]
        assert installed.calls(".venvs/serving") == []


def remove_python(folder: Path) -> None:
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nonexistent/python3.11")


def break_python(folder: Path) -> None:
    (folder / "bin" / "python").write_text("#!/bin/sh\nexit 127\n")


def change_version(folder: Path) -> None:
    (folder / "lib" / VERSION).rename(folder / "lib" / "python3.10")


def interrupt(folder: Path) -> None:
    (folder / ".installed").unlink()


@pytest.mark.parametrize(
    ("environment", "damage", "reason"),
    [
        (".venv", remove_python, "its Python does not start"),
        (".venv", break_python, "its Python does not start"),
        (".venv", change_version, "its packages are not those of its Python"),
        (".venv", interrupt, "its installation was interrupted"),
        (".venvs/local-cloud", remove_python, "its Python does not start"),
    ],
)
def test_a_broken_environment_is_made_again(
    installed: Clone, environment: str, damage: Callable[[Path], None], reason: str
) -> None:
    damage(installed.root / environment)
    ended = installed.make(environment)
    assert f"{environment} is made again: {reason}" in ended.stdout
    assert (ended.returncode, ended.stderr) == (0, "")
    calls = (installed.root / "calls.txt").read_text()
    assert (
        "venv --clear .venv\n" if environment == ".venv" else "uv --quiet venv --clear"
    ) in calls
    assert installed.calls(environment) == []


def test_a_copied_environment_is_made_again_and_its_original_is_kept(installed: Clone) -> None:
    copied = Clone(installed.root.parent / "copied")
    shutil.copytree(installed.root, copied.root, symlinks=True)
    ended = copied.make(".venv")
    assert f"it was copied or moved from {installed.root / '.venv'}" in ended.stdout
    # `python -m` works wherever the folder is.
    assert copied.calls(".venvs/local-cloud") == []
    assert installed.calls(".venv") == []
    moved = Clone(copied.root.rename(installed.root.parent / "moved"))
    assert moved.calls(".venv") == NEW


def test_a_linked_environment_is_used_and_never_cleared(installed: Clone) -> None:
    linked = Clone(installed.root.parent / "linked")
    shutil.copytree(installed.root, linked.root, ignore=shutil.ignore_patterns(".venv"))
    (linked.root / ".venv").symlink_to(installed.root / ".venv")
    assert linked.calls(".venv") == []
    (installed.root / ".venv" / "bin" / "python").unlink()
    assert linked.calls(".venv") == NEW
    assert not (linked.root / ".venv").is_symlink()
    assert (installed.root / ".venv" / ".installed").exists()
    assert installed.calls(".venv") == NEW


def test_a_broken_environment_that_is_active_in_the_shell_is_made_again(installed: Clone) -> None:
    broken = installed.root / ".venv" / "bin"
    for name in ("python", "python3"):
        (broken / name).write_text("#!/bin/sh\nexit 127\n")
        (broken / name).chmod(0o755)
    path = os.pathsep.join([str(broken), os.environ["PATH"]])
    assert installed.calls(".venv", PATH=path) == NEW


def test_a_failed_installation_says_why_and_is_repeated(installed: Clone) -> None:
    interrupt(installed.root / ".venv")
    ended = installed.make(".venv", UV_FAILS="1")
    assert ended.returncode != 0
    assert ".venv could not be installed:\nerror: no space left on device" in ended.stderr
    assert "build/logs/environments/venv.log" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert installed.calls(".venv") == NEW


def test_an_environment_whose_update_failed_is_made_again(installed: Clone) -> None:
    with (installed.root / "requirements.txt").open("a") as requirements:
        requirements.write("one-more==1.0\n")
    assert installed.make(".venv", UV_FAILS="1").returncode != 0
    assert installed.calls(".venv") == NEW
