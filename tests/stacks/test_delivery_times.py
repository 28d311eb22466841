"""How long a revert takes, from the order of the pipeline, the settings of prod and assumptions.

Durations of AWS's own steps cannot be measured here: they are assumed, and docs/delivery.md lists
them beside the results.
"""

import math
from pathlib import Path

import pytest

from stacks.settings.serving import ServingSettings
from stacks.settings.stage import load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import CONFIG, REPOSITORY, Json
from tests.stacks.delivery_pipeline import PipelineAssembly

# Seconds. A project starts on a new machine, and installs this repository's tools.
SOURCE = 15
PROJECT_START = 30
INSTALL_TOOLS = 30
INSTALL_WITH_NPM = 30
SYNTHESIZE = 60
UPDATE_PIPELINE = 30
PUBLISH_ASSETS = 30
SHORT_TOOL = 15
PREPARE_CHANGE_SET = 15
EXECUTE_NO_CHANGE = 10
EXECUTE_CHANGE = 45
START_INSTANCES = 240
REMOVE_INSTANCES = 60

PROJECTS = {
    "Synthesize": INSTALL_TOOLS + SYNTHESIZE,
    "SelfMutate": INSTALL_WITH_NPM + UPDATE_PIPELINE,
    "FileAssets": INSTALL_WITH_NPM + PUBLISH_ASSETS,
    "DockerAssets": INSTALL_WITH_NPM + PUBLISH_ASSETS,
}
PROD = load_stage_settings("prod", CONFIG).serving
MAX_REVERT_MINUTES = 30
MAX_BREAK_GLASS_MINUTES = 12


def seconds_of(action: Json, *, reverted: str, until_traffic: bool) -> int:
    """Return the duration of an action in a run that reverts the lock of one stage.

    The tests are skipped, the artifact is in the stage's bucket already, and a person's approval
    does not count.
    """
    name, provider = action["Name"], action["ActionTypeId"]["Provider"]
    if provider == "CodeStarSourceConnection":
        return SOURCE
    if provider == "Manual":
        return 0
    if provider == "CodeBuild":
        return PROJECT_START + PROJECTS.get(name, INSTALL_TOOLS + SHORT_TOOL)
    if name.endswith(".Prepare"):
        return PREPARE_CHANGE_SET
    if not name.startswith(f"{reverted}-"):
        return EXECUTE_NO_CHANGE
    if name != f"{reverted}-serving.Deploy":
        return EXECUTE_CHANGE
    return endpoint_update_seconds(PROD, until_traffic=until_traffic)


def endpoint_update_seconds(serving: ServingSettings, *, until_traffic: bool) -> int:
    """Return how long an update of the endpoint takes, or until it serves all requests."""
    rollout = serving.rollout_plan
    shifted = START_INSTANCES + rollout.waits_seconds
    return shifted if until_traffic else shifted + rollout.baking_seconds + REMOVE_INSTANCES


def revert_seconds(pipeline: PipelineAssembly, *, until_traffic: bool) -> int:
    """Return the time from a push to the end of the update of prod's endpoint."""
    total = 0
    for stage in pipeline.resource("AWS::CodePipeline::Pipeline").properties["Stages"]:
        actions = pipeline.actions(stage["Name"])
        last = next(
            (each["RunOrder"] for each in actions if each["Name"] == "whippet-prod-serving.Deploy"),
            math.inf,
        )
        for order in sorted({each["RunOrder"] for each in actions if each["RunOrder"] <= last}):
            total += max(
                seconds_of(each, reverted="whippet-prod", until_traffic=until_traffic)
                for each in actions
                if each["RunOrder"] == order
            )
    return total


def break_glass_seconds() -> int:
    """Return the time of `make rollback BREAK_GLASS=1` until all requests reach the old model.

    The stacks before the endpoint's are deployed first.
    """
    update = endpoint_update_seconds(PROD, until_traffic=True)
    return SYNTHESIZE + 2 * (PREPARE_CHANGE_SET + EXECUTE_CHANGE) + update


def minutes(seconds: int) -> int:
    return math.ceil(seconds / 60)


def test_a_revert_takes_at_most_half_an_hour(pipeline: PipelineAssembly) -> None:
    assert minutes(revert_seconds(pipeline, until_traffic=False)) <= MAX_REVERT_MINUTES
    assert minutes(break_glass_seconds()) <= MAX_BREAK_GLASS_MINUTES


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({"rollout": "canary", "rollout_wait_seconds": 600}, 600),
        ({"rollout": "linear", "rollout_linear_step_percent": 20}, 4 * 300),
    ],
)
def test_the_waits_of_a_rollout_count(changes: Json, waits: int) -> None:
    stepwise = with_changes(PROD, min_instance_count=2, **changes)
    for until_traffic in (True, False):
        longer, usual = (
            endpoint_update_seconds(each, until_traffic=until_traffic) for each in (stepwise, PROD)
        )
        assert longer - usual == waits
    text = (REPOSITORY / "docs" / "delivery.md").read_text(encoding="utf-8")
    assert "a canary adds `rollout_wait_seconds` to each of them" in text


def test_the_document_states_these_times(pipeline: PipelineAssembly) -> None:
    text = Path(REPOSITORY / "docs" / "delivery.md").read_text(encoding="utf-8")
    rows = {
        "revert, until the earlier model serves all requests": minutes(
            revert_seconds(pipeline, until_traffic=True)
        ),
        "revert, until the bake time is over and the update is complete": minutes(
            revert_seconds(pipeline, until_traffic=False)
        ),
        "`make rollback STAGE=prod BREAK_GLASS=1`, until the earlier model serves all requests": (
            minutes(break_glass_seconds())
        ),
    }
    for what, duration in rows.items():
        assert f"| {what} | {duration} minutes |" in text
    assumed = {
        "source": SOURCE,
        "start of a project": PROJECT_START,
        "installation of the tools": INSTALL_TOOLS,
        "installation by npm": INSTALL_WITH_NPM,
        "synthesis": SYNTHESIZE,
        "update of the pipeline without a change": UPDATE_PIPELINE,
        "publication of assets that are there": PUBLISH_ASSETS,
        "review, copy, deployment check, skipped tests": SHORT_TOOL,
        "change set": PREPARE_CHANGE_SET,
        "stack without a change": EXECUTE_NO_CHANGE,
        "stack with a change": EXECUTE_CHANGE,
        "start of the new instances": START_INSTANCES,
        "removal of the old instances": REMOVE_INSTANCES,
    }
    for what, duration in assumed.items():
        assert f"{what} {duration} s" in text
