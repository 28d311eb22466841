"""The classes whose predictions the proxy counts."""

import difflib
import json

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.errors import SettingsError
from stacks.settings.monitoring import MAX_COUNTED_CLASSES
from stacks.settings.stage import StageSettings


def counted_classes(settings: StageSettings, model: ModelArtifact) -> tuple[str, ...]:
    """Return the labels that have a metric of their own; empty: no class is counted.

    Raises:
        SettingsError: `monitoring.counted_classes` names a label that the model does not have.
    """
    monitoring = settings.monitoring
    if monitoring.metrics != "full":
        return ()
    if not monitoring.counted_classes:
        return model.labels if len(model.labels) <= MAX_COUNTED_CLASSES else ()
    known = frozenset(model.labels)
    for label in monitoring.counted_classes:
        if label not in known:
            raise SettingsError(
                f"config/{settings.stage}.toml: monitoring.counted_classes names {_quoted(label)}: "
                f"the model {model.name} {model.version} has no such class{_hint(label, model)}"
            )
    return monitoring.counted_classes


def _hint(label: str, model: ModelArtifact) -> str:
    near = difflib.get_close_matches(label, model.labels, n=1)
    if near:
        return f", did you mean {_quoted(near[0])}?"
    examples = ", ".join(_quoted(each) for each in model.labels[:3])
    return f", expected labels of manifest.json such as {examples}"


def _quoted(label: str) -> str:
    """Return the label as TOML, on one line."""
    return json.dumps(label, ensure_ascii=False)
