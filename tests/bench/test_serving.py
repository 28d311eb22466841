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
        (["--peers", "torchserve", "triton"], "invalid choice: 'triton' (choose from "),
        (["--models", "vgg"], "invalid choice: 'vgg' (choose from "),
        (["--image-sizes", "1x1"], "invalid choice: '1x1' (choose from "),
        (["--clients", "1", "none"], "not a whole number from 1 to 1000: 'none'"),
        (["--clients", "0"], "not a whole number from 1 to 1000: '0'"),
        (["--rounds", "-1"], "not a whole number from 1 to 1000: '-1'"),
        (["--seconds", "nan"], "not 0.5 to 1000 seconds: 'nan'"),
        (["--seconds", "soon"], "not 0.5 to 1000 seconds: 'soon'"),
    ],
)
def test_an_invalid_option_is_refused(
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
