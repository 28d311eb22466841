import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ProfileNotFound

from tests.tools.local.test_deployment import DEPLOYMENT
from tools.cdk import ROOT
from tools.console import ToolError, confirm, run_logged, run_tool, slow_step, step


def run(code: str, log_file: Path) -> None:
    run_logged(
        [sys.executable, "-c", code], environment={}, log_file=log_file, directory=log_file.parent
    )


def test_a_program_that_fails_is_told_with_the_end_of_its_output(tmp_path: Path) -> None:
    code = "print(*range(100), sep='\\n', flush=True); raise SystemExit('no such bucket')"
    with pytest.raises(ToolError) as told:
        run(code, tmp_path / "logs" / "cdk.log")
    text = str(told.value)
    assert "no such bucket" in text
    assert "\n99\n" in text
    assert "\n50\n" not in text
    assert str(tmp_path / "logs" / "cdk.log") in text


def test_a_program_sees_the_given_environment_alone(tmp_path: Path) -> None:
    run("import os; print(sorted(os.environ))", tmp_path / "log")
    assert "AWS_PROFILE" not in (tmp_path / "log").read_text()


def test_a_step_says_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with step("Good"):
        pass
    with pytest.raises(ToolError), step("Bad"):
        raise ToolError("why")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["… Good", "✓ Good", "… Bad", "✗ Bad"]


def test_only_a_long_wait_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_step("Waiting"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("tools.console._SLOW_SECONDS", 0.05)
    with slow_step("Waiting"):
        time.sleep(0.3)
    assert capsys.readouterr().err == "… Waiting: 0 s so far\n"


def test_a_tool_ends_with_its_error_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise ToolError("No AWS region: set AWS_REGION.")

    with pytest.raises(SystemExit) as ended:
        run_tool(main)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "No AWS region: set AWS_REGION.\n"


def test_an_error_from_aws_is_printed_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main() -> None:
        raise ProfileNotFound(profile="missing")

    with pytest.raises(SystemExit) as ended:
        run_tool(main)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "AWS: The config profile (missing) could not be found\n"


@pytest.mark.parametrize(("status", "expected"), [(None, None), (0, 0), (3, 3)])
def test_a_tool_ends_with_its_own_status(status: int | None, expected: int | None) -> None:
    with pytest.raises(SystemExit) as ended:
        run_tool(lambda: status)
    assert ended.value.code == expected


def test_an_error_of_the_system_is_printed_without_a_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_tool(lambda: (tmp_path / "missing").read_bytes())
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"{tmp_path / 'missing'}: No such file or directory\n"


def test_a_defect_keeps_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_tool(main)


# The texts are escaped, because Python reads its command line in the encoding of the locale.
_STEPS = r"""
from tools.console import ToolError, run_tool, step
def main():
    with step("Caf\xe9"):
        pass
    with step("\u732b"):
        raise ToolError("\u2026")
run_tool(main)
"""


@pytest.mark.parametrize(
    ("encoding", "printed", "error"),
    [
        ({"PYTHONIOENCODING": "latin-1"}, "... Café|+ Café|... \\u732b|x \\u732b", "..."),
        (
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            "... Caf\\xe9|+ Caf\\xe9|... \\u732b|x \\u732b",
            "...",
        ),
        ({"PYTHONIOENCODING": "utf-8"}, "… Café|✓ Café|… 猫|✗ 猫", "…"),
    ],
)
def test_a_terminal_without_some_characters_gets_ascii(
    encoding: Mapping[str, str], printed: str, error: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _STEPS], cwd=ROOT, env={**_without_encoding(), **encoding},
        encoding=encoding.get("PYTHONIOENCODING", "ascii"), capture_output=True, check=False,
    )  # fmt: skip
    assert "|".join(line.split(":")[0] for line in ended.stdout.splitlines()) == printed
    assert (ended.stderr, ended.returncode) == (f"{error}\n", 1)


def _without_encoding() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHONUTF8", "PYTHONIOENCODING"))
    }


def test_ctrl_c_ends_a_tool_without_a_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/"
        replace(DEPLOYMENT, api_url=url).write(tmp_path / "local.json")
        command = [sys.executable, "-m", "tools.local.predict", str(ROOT / "samples" / "cat.jpg")]
        command += ["--deployment", str(tmp_path / "local.json")]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as tool:
            connection, _ = silent.accept()
            with connection:
                tool.send_signal(signal.SIGINT)
                _, errors = tool.communicate(timeout=60)
    assert (tool.returncode, errors) == (130, b"")


def test_ctrl_c_during_an_import_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt\n")
    ended = subprocess.run(
        [sys.executable, "-c", "import tools, interrupted"], cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize(
    ("typed", "goes_on"),
    [("dev\n", True), (" y \n", True), ("de\n", False), ("\n", False), ("", False)],
)
def test_only_some_words_confirm(
    monkeypatch: pytest.MonkeyPatch, typed: str, goes_on: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    if goes_on:
        confirm("Type it: ", "dev", "y", refusal="Nothing was changed.")
        return
    with pytest.raises(ToolError, match=r"^Nothing was changed\.$"):
        confirm("Type it: ", "dev", "y", refusal="Nothing was changed.")
