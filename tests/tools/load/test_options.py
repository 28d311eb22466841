"""The options of `make load`, with make's names in their messages."""

import argparse
import sys
from typing import Any

import pytest

from tools.load.options import parse_options

NAMES = ("STAGE", "RATE", "MINUTES", "TARGET", "IMAGES", "MODEL")


def parse(monkeypatch: pytest.MonkeyPatch, *flags: str, **variables: str) -> argparse.Namespace:
    for name in NAMES:
        monkeypatch.setenv(f"WHIPPET_{name}", {"STAGE": "dev", **variables}.get(name, ""))
    monkeypatch.setattr(sys, "argv", ["load", "--from-make", *flags])
    return parse_options("Test.")


@pytest.mark.parametrize(
    ("flags", "variables", "expected"),
    [
        ((), {}, (2.0, 1.0, "api")),
        ((), {"RATE": "500", "MINUTES": "0.2", "TARGET": "endpoint"}, (500.0, 0.2, "endpoint")),
        (("--measure",), {}, (None, pytest.approx(10 / 60), "endpoint")),
        (("--measure",), {"RATE": "4", "TARGET": "api"}, (4.0, pytest.approx(10 / 60), "api")),
        ((), {"RATE": "0.1", "MINUTES": "240"}, (0.1, 240.0, "api")),
    ],
)
def test_what_is_sent(
    flags: tuple[str, ...],
    variables: dict[str, str],
    expected: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = parse(monkeypatch, *flags, **variables)
    assert (options.rate, options.minutes, options.target) == expected
    assert options.stage == "dev"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RATE": "0.05"}, "RATE: '0.05': expected a number from 0.1 to 500"),
        ({"RATE": "501"}, "RATE: '501': expected"),
        ({"RATE": "many"}, "RATE: 'many': expected"),
        ({"RATE": "nan"}, "RATE: 'nan': expected"),
        ({"MINUTES": "0.04"}, "MINUTES: '0.04': expected a number from 0.05 to 240"),
        ({"MINUTES": "-1"}, "MINUTES: '-1': expected"),
        ({"TARGET": "page"}, "TARGET: invalid choice: 'page'"),
        (
            {"RATE": "100", "MINUTES": "167"},
            "MINUTES: 167 at RATE 100 are 1,002,000 requests: expected at most 1,000,000",
        ),
    ],
)
def test_what_is_refused(
    variables: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(monkeypatch, **variables)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(message)
