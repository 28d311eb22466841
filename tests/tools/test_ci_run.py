"""`.ci/run` on a machine with bash and apt-get; the programs are stand-ins."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.browser import NAMES
from tools.cdk import ROOT

# The essential packages of a bare Debian have these.
ESSENTIAL = ("bash", "dirname", "env", "id")
NEEDED = ("make", "python3", "curl", "ps")


def add(folder: Path, name: str, script: str = "exit 0") -> None:
    program = folder / name
    program.write_text(f"#!{folder}/bash\n{script}\n")
    program.chmod(0o755)


def run(folder: Path) -> list[str]:
    """Run the script; return the calls of apt-get and make, one a line."""
    for name in ESSENTIAL:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    calls = folder / "calls"
    add(folder, "sudo", '"$@"')
    install_make = f'echo "#!{folder}/bash" > "{folder}/make"'
    record_make = f'echo \'echo make "$@" >> {calls}\' >> "{folder}/make"; '
    chmod = shutil.which("chmod")
    add(
        folder, "apt-get",
        f'echo "$@" >> "{calls}"; {install_make}; {record_make}{chmod} 755 "{folder}/make"',
    )  # fmt: skip
    subprocess.run([folder / "bash", ROOT / ".ci" / "run"], env={"PATH": str(folder)}, check=True)
    return calls.read_text().splitlines()


def test_a_bare_machine_gets_every_package_and_the_tests_run(tmp_path: Path) -> None:
    update, install, test = run(tmp_path)
    assert update == "update -qq"
    packages = ["make", "python3", "python3-venv", "curl", "procps", "chromium"]
    assert install.split()[-len(packages) :] == packages
    assert test == "make test"


@pytest.mark.parametrize("browser", NAMES)
def test_a_machine_with_everything_installs_nothing(tmp_path: Path, browser: str) -> None:
    for name in (*NEEDED, browser):
        add(tmp_path, name)
    add(tmp_path, "make", f'echo make "$@" >> "{tmp_path}/calls"')
    assert run(tmp_path) == ["make test"]


def test_only_what_is_missing_is_installed(tmp_path: Path) -> None:
    for name in (*NEEDED, NAMES[0]):
        if name != "ps":
            add(tmp_path, name)
    _, install, _ = run(tmp_path)
    assert install.split()[-2:] == ["ca-certificates", "procps"]


def test_the_browsers_of_the_script_are_those_that_the_tests_can_use() -> None:
    (line,) = re.findall(r"^need chromium (.*)$", (ROOT / ".ci" / "run").read_text(), re.M)
    assert line.split() == [*NAMES]
