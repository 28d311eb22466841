"""Log lines of every program, in one form."""

import json

import pytest

from tools.logs.lines import read_line

AT = 1795737600.5  # 2026-11-27 00:00:00.5 UTC


@pytest.mark.parametrize(
    "text",
    [
        '{"time": "2026-11-27T00:00:00.500+00:00", "message": "invocation"}',
        '{"timestamp": "2026-11-27 00:00:00,500+0000", "message": "request succeeded"}',
        '{"time": "2026-11-27T01:00:00.500+01:00"}',
    ],
)
def test_a_line_of_json_has_its_own_time(text: str) -> None:
    assert read_line("log", text, 1.0).time == AT


@pytest.mark.parametrize(
    "text",
    [
        "REPORT RequestId: 1\tDuration: 2 ms\n",
        '["time"]',
        "{" * 10,
        "[" * 100_000,
    ],
)
def test_any_other_line_has_the_time_of_its_log(text: str) -> None:
    line = read_line("log", text, AT)
    assert line.time == AT
    assert str(line).endswith(".500  log  " + text.rstrip())


@pytest.mark.parametrize(("value", "shown"), [('"yesterday"', "yesterday"), ("5", "5")])
def test_what_is_no_time_is_a_field(value: str, shown: str) -> None:
    line = read_line("log", f'{{"time": {value}}}', AT)
    assert line.time == AT
    assert str(line).endswith(f".500  log  time={shown}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jplain", "\\x1b[2Jplain"),
        ('{"message": "a\\u001b[2J"}', '"a\\u001b[2J"'),
        ('{"label": "a\\n00:00:00.000  forged"}', 'label="a\\n00:00:00.000  forged"'),
        ('{"exception": "E\\u001b\\n  at"}', "\nE\\x1b\n  at"),
    ],
)
def test_a_log_cannot_control_the_terminal(text: str, shown: str) -> None:
    assert str(read_line("log", text, AT)).endswith(f"  log  {shown}")


def test_the_console_shows_message_fields_and_one_stack_trace() -> None:
    fields = {
        "time": "2026-11-27T00:00:00.500+00:00",
        "level": "ERROR",
        "logger": "classifier.serve",
        "message": "request failed",
        "status": 502,
        "model": {"name": "digits"},
        "exception": "Traceback\n  last",
        "stack_trace": {"type": "E"},
    }
    shown = str(read_line("container", json.dumps(fields), 1.0))
    assert shown.partition("  ")[2] == (
        'container  request failed ERROR status=502 model={"name": "digits"}\nTraceback\n  last'
    )


def test_a_line_of_metrics_is_known() -> None:
    assert read_line("log", '{"_aws": {}, "Predictions": 1}', AT).is_metric
    assert not read_line("log", '{"Predictions": 1}', AT).is_metric
