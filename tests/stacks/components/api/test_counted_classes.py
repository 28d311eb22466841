"""Which classes the proxy counts, as its environment variables say it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from stacks.components.serving.model_artifact import load_model_artifact
from stacks.errors import SettingsError
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import synthesize
from tests.stacks.fake_inputs import write_model
from tests.stacks.functions import proxy_function

UNUSUAL = ["na\u00efve \u732b", "l" * 300, ":colon", 'quo"te\n']


class Stage:
    """Synthesizes the API of a model with other labels."""

    def __init__(self, settings: StageSettings, inputs: Inputs, folder: Path) -> None:
        self._settings = settings
        self._inputs = inputs
        self._folder = folder

    def variables(
        self, labels: list[str], *, hosts: tuple[str, ...] = (), **monitoring: Any
    ) -> dict[str, str]:
        settings = with_changes(
            self._settings,
            api=with_changes(self._settings.api, url_hosts=hosts),
            monitoring=with_changes(self._settings.monitoring, **monitoring),
        )
        model = load_model_artifact(write_model(self._folder / "model", labels=labels))
        inputs = dataclasses.replace(self._inputs, model=model)
        assembly = synthesize(settings, inputs, self._folder / "assembly")
        function = proxy_function(assembly).properties
        variables: dict[str, str] = function["Environment"]["Variables"]
        return variables

    def counted(self, labels: list[str], **monitoring: Any) -> list[str] | None:
        value = self.variables(labels, **monitoring).get("COUNTED_CLASSES")
        if value is None:
            return None
        assert value.isascii()
        counted: list[str] = json.loads(value)
        return counted

    def refusal(self, labels: list[str], **changes: Any) -> str:
        with pytest.raises(SettingsError) as raised:
            self.variables(labels, **changes)
        message = str(raised.value)
        assert message.startswith("config/dev.toml: ")
        assert "\n" not in message
        return message.removeprefix("config/dev.toml: ")


@pytest.fixture
def stage(dev_settings: StageSettings, inputs: Inputs, tmp_path: Path) -> Stage:
    return Stage(dev_settings, inputs, tmp_path)


def classes(count: int) -> list[str]:
    return [f"class {index}" for index in range(count)]


@pytest.mark.parametrize("labels", [classes(2), classes(20), UNUSUAL])
def test_every_class_of_a_small_model_is_counted(stage: Stage, labels: list[str]) -> None:
    assert stage.counted(labels, metrics="full") == labels


def test_no_class_of_a_larger_model_is_counted_unless_it_is_named(stage: Stage) -> None:
    assert stage.counted(classes(21), metrics="full") is None


def test_of_a_larger_model_the_named_classes_are_counted(stage: Stage) -> None:
    named = ("class 999", "class 3")
    assert stage.counted(classes(1000), metrics="full", counted_classes=named) == list(named)


def test_basic_metrics_count_no_class(stage: Stage) -> None:
    assert stage.counted(classes(2), metrics="basic") is None


def test_a_label_that_the_model_does_not_have_is_refused_with_the_nearest(stage: Stage) -> None:
    labels = ["tench", "tabby cat", "na\u00efve \u732b"]
    version = "digits-resnet "
    message = stage.refusal(labels, metrics="full", counted_classes=("tench", "taby cat"))
    assert message.startswith(f'monitoring.counted_classes names "taby cat": the model {version}')
    assert message.endswith(' has no such class, did you mean "tabby cat"?')
    message = stage.refusal(labels, metrics="full", counted_classes=("zzz\n",))
    assert message.startswith('monitoring.counted_classes names "zzz\\n": the model ')
    assert message.endswith(
        ' has no such class, expected labels of manifest.json such as "tench", "tabby cat", '
        '"na\u00efve \u732b"'
    )


def test_more_than_lambda_accepts_as_variables_is_refused(stage: Stage) -> None:
    labels = [f"{index:02}{'l' * 180}" for index in range(20)]
    variables = stage.variables(labels, metrics="full")
    size = sum(len(name) + len(value) for name, value in variables.items())
    room = 4096 - size - len("URL_ALLOWED_HOSTS")
    assert room > 0
    stage.variables(labels, metrics="full", hosts=("h" * room,))
    message = stage.refusal(labels, metrics="full", hosts=("h" * (room + 1),))
    assert "take 4097 bytes and Lambda accepts 4096: name fewer hosts in api.url_hosts" in message
