import signal
from pathlib import Path

import pytest

from bench.serving import main


@pytest.fixture(autouse=True)
def signals() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--peers", "torchserve,triton"], "triton is unknown; there are torchserve,"),
        (["--models", "vgg"], "vgg is unknown; there are resnet50, mobilenet_v2"),
        (["--pictures", "1x1"], "1x1 is unknown"),
        (["--clients", "1,none"], "'none' is no whole number from 1 to"),
        (["--clients", "0"], "'0' is no whole number"),
        (["--rounds", "-1"], "'-1' is no whole number"),
        (["--seconds", "nan"], "'nan' is no number of seconds from 0.5"),
        (["--seconds", "soon"], "'soon' is no number of seconds"),
    ],
)
def test_an_option_that_is_not_allowed_is_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_rendering_without_a_run_before_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--render", "--cache", str(tmp_path), "--output", str(tmp_path / "a.md")]) == 1
    assert "run the benchmark once without --render" in capsys.readouterr().err
    assert not (tmp_path / "a.md").exists()
