import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ProfileNotFound

from tools.console import ToolError, run_logged, run_tool, slow_step, step


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
