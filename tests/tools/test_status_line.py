import os
import time
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest

from tests.tools.terminal import Terminal
from tools import status_line as module
from tools.console import ToolError, step
from tools.parallel import in_parallel
from tools.status_line import say, status_line


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIVE_SECONDS", 0.01)


SECONDS = module._LIVE_SECONDS, module._LOG_SECONDS


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("not within ten seconds")


def test_a_terminal_is_never_silent_for_two_seconds_and_a_log_is_sparse() -> None:
    live, log = SECONDS
    assert live <= 2
    assert log >= 5


def test_on_a_terminal_the_last_line_says_how_far_it_is() -> None:
    count = 0
    with redirect_stdout(Terminal()) as terminal, status_line(lambda: f"{count} of 3"):
        wait_for(lambda: "0 of 3" in terminal.getvalue())
        count = 2
        wait_for(lambda: "2 of 3" in terminal.getvalue())
        assert "\n" not in terminal.getvalue()
        say("a line that stays")
        wait_for(lambda: terminal.getvalue().endswith("2 of 3"))
    assert terminal.lines == ["a line that stays"]
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_status_that_is_longer_than_the_terminal_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 24)))
    with redirect_stdout(Terminal()) as terminal, status_line(lambda: "0123456789" * 3):
        wait_for(lambda: "0" in terminal.getvalue())
    assert {part for part in terminal.getvalue().split("\r\x1b[K") if part} == {
        "0123456789012345678"
    }


def test_the_status_is_gone_after_an_error() -> None:
    def fail() -> None:
        with status_line(lambda: "0 of 3"):
            wait_for(lambda: "0 of 3" in terminal.getvalue())
            raise ToolError("why")

    with redirect_stdout(Terminal()) as terminal, pytest.raises(ToolError):
        fail()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_log_gets_a_line_for_each_long_silence_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_LOG_SECONDS", 0.4)
    with status_line(lambda: "still waiting") as status:
        for number in range(8):
            status.say(f"line {number}")
            time.sleep(0.1)
        assert "still waiting" not in capsys.readouterr().out
        time.sleep(0.6)
        assert capsys.readouterr().out == "still waiting\n"


def test_a_step_on_a_terminal_is_one_line_in_the_end() -> None:
    with redirect_stdout(Terminal()) as terminal, step("Upload"):
        wait_for(lambda: "… Upload: 0 s so far" in terminal.getvalue())
        list(in_parallel(lambda _: time.sleep(0.02), range(2), noun="file"))
    assert [line.split(":")[0] for line in terminal.lines] == ["✓ Upload"]
