"""`make synth` on a bad day: a folder with spaces, a broken environment, a terminal with latin-1.

The environment that make makes is a stand-in: links to the packages of this one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.byte_code import share_byte_code
from tests.stacks.fake_inputs import write_model
from tests.tools.deployment.builders import PYTHON_PROGRAM
from tests.tree_copy import copy_parts
from tools.cdk import ROOT

COPIED = (
    "Makefile", "app.py", "cdk.json", "config", "lambda_src", "model_code", "package.json",
    "package-lock.json", "requirements", "requirements.txt", "stacks", "tools", "web",
)  # fmt: skip
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"

# In place of the standard library's module: an environment with the packages of this one.
FAKE_VENV = f"""import pathlib, shutil
present, made = pathlib.Path({str(ROOT / ".venv")!r}), pathlib.Path(".venv")
shutil.rmtree(made)
(made / "lib" / "{VERSION}").mkdir(parents=True)
packages = pathlib.Path("lib") / "{VERSION}" / "site-packages"
(made / packages).symlink_to(present / packages)
(made / "bin").mkdir()
for program in (present / "bin").iterdir():
    (made / "bin" / program.name).symlink_to(program)
for name in ("python", "python3"):
    (made / "bin" / name).unlink()
    (made / "bin" / name).symlink_to((present / "bin" / name).resolve())
shutil.copy(present / "pyvenv.cfg", made)
(made / "bin" / "uv").unlink()
shutil.copy("uv", made / "bin" / "uv")
# Python programs that print a traceback on Ctrl-C: nothing may need them.
for name in ("node", "npm", "npx"):
    (made / "bin" / name).unlink()
    (made / "bin" / name).write_text("#!/bin/sh\\necho this is a wrapper >&2; exit 1\\n")
    (made / "bin" / name).chmod(0o755)
"""
FAKE_UV = f"""{PYTHON_PROGRAM}import pathlib, sys
pathlib.Path("uv-calls").write_text(" ".join(sys.argv[1:]))
"""


def test_synthesis_in_a_folder_with_spaces_after_an_upgrade_of_python_on_a_latin_1_terminal(
    tmp_path: Path,
) -> None:
    clone = tmp_path / "a folder with spaces"
    copy_parts(COPIED, clone)
    (clone / "node_modules").symlink_to(ROOT / "node_modules")
    os.utime(clone / "package-lock.json", (0, 0))  # make must not renew the shared CLI
    write_model(clone / "build" / "model")
    for prefix in share_byte_code(link=clone / ".venv", target=ROOT / ".venv").values():
        (clone / "build" / "byte-code").symlink_to(prefix)  # where the Makefile has it
    (clone / "venv.py").write_text(FAKE_VENV)
    (clone / "uv").write_text(FAKE_UV)
    (clone / "uv").chmod(0o755)
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to("/nonexistent/python3.10")
    (clone / ".venv" / ".installed").touch()

    ended = subprocess.run(
        [shutil.which("make") or "make", "synth", "STAGE=dev"], cwd=clone,
        env=os.environ | {"PYTHONIOENCODING": "latin-1", "CDK_VALIDATION": "false"},
        capture_output=True, encoding="latin-1", check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ".venv is made again: its Python does not start." in ended.stdout
    assert "... Virtual environment: " in ended.stdout
    assert "+ Virtual environment: " in ended.stdout
    assert (clone / "uv-calls").read_text().endswith("requirements.txt")
    templates = sorted(path.name for path in (clone / "cdk.out").glob("*.template.json"))
    assert templates[0] == "whippet-dev-api.template.json"
    assert len(templates) == 7
