"""`make scaling` says if the capacity was measured on something else than the stage deploys."""

import sys
from pathlib import Path
from typing import Any

import pytest

from stacks.errors import InputError
from stacks.settings.stage import StageSettings
from tools.console import ToolError
from tools.scaling import simulate


class Model:
    """The model that a stage deploys."""

    files = frozenset({"model.onnx", "model.int8.onnx"})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def simulated(measured_on: str, *arguments: str, has_model: bool = True) -> str:
        serving = {"measured_capacity_per_second": 20.0, "measured_capacity_of": measured_on}
        settings = StageSettings.model_validate({"stage": "prod", "serving": serving})

        def choose(*_: object) -> Model:
            if not has_model:
                raise InputError("no model")
            return Model()

        monkeypatch.setattr(simulate, "read_stage", lambda *_: settings)
        monkeypatch.setattr(simulate, "choose_model", choose)
        output = str(tmp_path / "scaling.svg")
        given = ["simulate", "--stage", "prod", "--trace", "spike", "--output", output]
        monkeypatch.setattr(sys, "argv", [*given, *arguments])
        simulate.main()
        printed = capsys.readouterr()
        assert "Recommended" in printed.out
        return printed.err

    return simulated


def test_a_capacity_of_another_precision_is_warned_of(run: Any) -> None:
    assert "was measured on 'ml.m5.large fp32' and the stage deploys 'ml.m5.large int8'" in run(
        "ml.m5.large fp32"
    )
    assert run("ml.m5.large int8") == ""


def test_nothing_is_said_of_a_given_capacity_or_of_an_unknown_model(run: Any) -> None:
    assert run("ml.m5.large fp32", "--capacity", "30") == ""
    assert run("ml.m5.large fp32", has_model=False) == ""


def test_a_serverless_stage_has_nothing_to_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = StageSettings.model_validate({"stage": "dev", "serving": {"mode": "serverless"}})
    monkeypatch.setattr(simulate, "read_stage", lambda *_: settings)
    monkeypatch.setattr(sys, "argv", ["simulate", "--stage", "dev", "--capacity", "20"])
    with pytest.raises(ToolError, match=r"no setting scales them.*serverless_max_concurrency"):
        simulate.main()
