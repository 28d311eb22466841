"""The tuning that `make tune` gives the state machine, and what it refuses."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tools.training import tune


def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: str, from_make: bool = False
) -> dict[str, Any]:
    """Run up to the start; return the tuning."""
    given: list[dict[str, Any]] = []

    def start_run(_: Any, tuning: dict[str, Any]) -> int:
        given.append(tuning)
        return 0

    monkeypatch.setattr(tune, "start_run", start_run)
    options = [*arguments, str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["tune", *options])
    if from_make:
        for option in options:
            name, _, value = option.lstrip("-").partition("=")
            monkeypatch.setenv(f"WHIPPET_{name.upper()}", value)
        monkeypatch.setenv("WHIPPET_DATA", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["tune", "--from-make"])
    assert tune.main() == 0
    return given[0]


def test_a_grid_has_every_combination(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, tmp_path, "--mode=finetune") == {
        "strategy": "Grid",
        "trials": 6,
        "parallel": 2,
        "ranges": {
            "learning_rate": {"values": ["0.0003", "0.001", "0.003"]},
            "weight_decay": {"values": ["0.01", "0.1"]},
        },
    }
    assert run(monkeypatch, tmp_path, "--ranges=architecture=resnet50,resnet18")["trials"] == 2
    assert run(monkeypatch, tmp_path)["ranges"] == {"balanced": {"values": ["true", "false"]}}


def test_random_trials_draw_from_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tuning = run(
        monkeypatch, tmp_path, "--mode=finetune", "--strategy=random", "--trials=4",
        "--ranges=learning-rate=0.0001..0.1 batch_size=8..16 augmentation=photo,none",
    )  # fmt: skip
    assert (tuning["strategy"], tuning["trials"]) == ("Random", 4)
    assert tuning["ranges"] == {
        "learning_rate": {
            "minimum": 0.0001, "maximum": 0.1, "scaling": "Logarithmic", "type": "Continuous",
        },
        "batch_size": {"minimum": 8, "maximum": 16, "scaling": "Linear", "type": "Integer"},
        "augmentation": {"values": ["photo", "none"]},
    }  # fmt: skip
    (decay,) = run(
        monkeypatch, tmp_path, "--mode=finetune", "--strategy=random", "--ranges=weight_decay=0..1"
    )["ranges"].values()
    assert (decay["minimum"], decay["scaling"]) == (0, "Linear")
    drawn = run(monkeypatch, tmp_path, "--mode=finetune", "--strategy=random")
    assert drawn["trials"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy=random"], "RANGES: there is nothing to draw at random for a head"),
        (["--ranges=learning_rate=0.1,1"], "RANGES: learning_rate changes nothing of a head"),
        (["--ranges=balanced"], "RANGES: 'balanced'; expected name=1,2,3 or name=0.001..0.1"),
        (["--mode=finetune", "--ranges=epochs=2..9"], "RANGES: epochs has no list of values"),
        (
            ["--mode=finetune", "--ranges=epochs=9..2"],
            "RANGES: 'epochs=9..2'; expected two numbers, the smaller first",
        ),
        (["--mode=finetune", "--ranges=epochs=1..x"], "expected two numbers"),
        (["--ranges=seed=1,2 seed=3,4"], "RANGES: seed is given twice"),
        (["--ranges=architecture=a,b", "--backbone=a"], "RANGES: architecture has a fixed value"),
        (["--trials=5"], "TRIALS: 5; expected 2, which grid's values have as combinations"),
        (["--mode=finetune", "--strategy=random", "--trials=101"], "TRIALS: 101; expected 1 to"),
        (["--parallel=3"], "PARALLEL: 3; expected 1 to 2"),
        (["--instances=9"], "INSTANCES: 9; expected 1 to 8"),
        (["--hyperparameters=epochs 5"], "HYPERPARAMETERS: 'epochs'; expected name=value"),
        (["--hyperparameters=name=a;b"], "HYPERPARAMETERS: 'name=a;b'; expected name=value"),
        (["--hyperparameters=model-dir=/x"], "HYPERPARAMETERS: model_dir is set by the stage"),
        (["--hyperparameters=epochs=2 sagemaker_program=x.py"], "sagemaker_program is set by"),
        (["--hyperparameters=epoch=2"], "unknown option --epoch: did you mean --epochs?"),
        (["--hyperparameters=batch_size=0"], "--batch-size is 0; it must be above 0"),
        (["--hyperparameters=batch_size=many"], "argument --batch-size: invalid int value: 'many'"),
        (["--hyperparameters=crop=224"], "MODE head takes the preprocessing of the trained"),
        (["--ranges=precision=fp32,fp64"], "RANGES: argument --precision: invalid choice: 'fp64'"),
        (["--mode=finetune", "--ranges=batch_sise=8,16"], "unknown option --batch-sise: did you"),
        (
            ["--mode=finetune", "--strategy=random", "--ranges=learning_rate=-0.1..0.1"],
            "RANGES: --learning-rate is -0.1; it must be above 0",
        ),
        (["--mode=finetune", "--ranges=train=/a,/b"], "RANGES: train is set by the stage"),
        (["--strategy=bayesian"], "STRATEGY: invalid choice: 'bayesian'"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, tmp_path, *arguments, from_make=True)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
