"""docs/presets.md: the presets, item by item what their systems said they had."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tools.cdk import ROOT

PRESETS_FILE: Final = ROOT / "docs" / "presets.md"
SYSTEMS_FOLDER: Final = Path(__file__).parent / "systems"
_STATES: Final = {
    "has": "has",
    "better": "better",
    "replaced": "replaced on purpose",
    "open": "not there yet",
}
_INTRODUCTION: Final = """\
# Presets

Made from tools/api_docs/systems/ by `make documents`; do not edit.

A preset is what a stage starts from: a file in `config/presets/`. It has the settings of a system
that Whippet takes the place of. The file of a stage names it, and comes before it:

```toml
preset = "dogs" # config/presets/dogs.toml

[api]
provisioned_concurrency = 1 # and not the 3 of the preset
```

`make up PRESET=dogs` tries one out on this machine. Its settings then come before those of
`config/local.toml`, so that what is deployed is the preset. Another preset needs `make down` first:
what is deployed does not change to another. `make up` without PRESET keeps that of the cloud that
is running.

`make test-presets` deploys one after the other to a local cloud, invokes each as its system was
(curl with the key, the page, an event), and reads back what the services say that they have.

The presets with 133 breeds of dogs deploy the model in `build/model` if it has 133 classes. Else
`make up` draws images of 133 classes and trains a head on them: in half a minute on two cores with
EfficientNet-Lite0, and the test fails if it takes more than three. That network takes the place of
ResNet-50 where the published weights of the latter are not in reach. The output says so. A model of
drawings is refused by every stage on AWS.

[costs.md](costs.md) says what each costs for 2 hours and for a month.

`make up PRESET=mobilenet-serverless` builds MobileNetV2 where its published weights are in reach,
unless `build/model` has a model of your own. What `config/local.toml` sets for instances is left
out then, and the output says so: the preset decides the mode.

Below is each thing that a system said it had, and where the preset stands. What is there names the
tests that show it; a test checks that they exist.
"""


class Item(BaseModel):
    """One thing that a system said it had.

    Attributes:
        id: its number, with that of the system.
        state: where the preset stands.
        said: what the system said.
        now: what the preset does; why, if that is something else on purpose.
        tests: that show it, as `<file>::<name>`: at least one if it is there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    state: Literal["has", "better", "replaced", "open"]
    said: str
    now: Annotated[str, Field(min_length=8)]
    tests: tuple[Annotated[str, Field(pattern=r"^tests/[\w/]+\.py::test_\w+$")], ...] = ()

    @model_validator(mode="after")
    def _check_tests(self) -> Self:
        is_there = self.state in {"has", "better"}
        if (is_there and not self.tests) or (self.state == "open" and self.tests):
            raise ValueError(f"item {self.id}: expected tests if it is there, and none if not")
        return self


class System(BaseModel):
    """A system, and the preset that takes its place.

    Attributes:
        title: number and description of the system.
        preset: name of the preset.
        costs: what the system said of its costs, for docs/costs.md; empty: nothing.
        items: what it said it had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    preset: str
    costs: str = ""
    items: tuple[Item, ...]


def read_systems() -> list[System]:
    """Return the systems whose presets exist."""
    files = sorted(SYSTEMS_FOLDER.glob("*.toml"))
    return [System.model_validate(tomllib.loads(file.read_text("utf-8"))) for file in files]


def said_costs() -> dict[str, str]:
    """Return what each system said of its costs, by the preset that takes its place."""
    return {system.preset: system.costs for system in read_systems()}


def presets_document() -> str:
    """Return the content of docs/presets.md."""
    systems = read_systems()
    summary = "".join(_summary(system) for system in systems)
    head = (
        f"\n| preset | items | {' | '.join(_STATES.values())} |\n|{'---|' * (len(_STATES) + 2)}\n"
    )
    return _INTRODUCTION + head + summary + "".join(map(_section, systems))


def _summary(system: System) -> str:
    counts: Mapping[str, int] = Counter(item.state for item in system.items)
    numbers = " | ".join(str(counts[state]) for state in _STATES)
    return f"| `{system.preset}` | {len(system.items)} | {numbers} |\n"


def _section(system: System) -> str:
    lines = "".join(
        f"| {item.id} | {item.said} | {item.now} | {_STATES[item.state]} | "
        f"{'<br>'.join(f'`{test}`' for test in item.tests)} |\n"
        for item in system.items
    )
    return (
        f"\n## `{system.preset}`\n\n{system.title}: `config/presets/{system.preset}.toml`.\n\n"
        f"| | it said | the preset | state | shown by |\n|---|---|---|---|---|\n{lines}"
    )
