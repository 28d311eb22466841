import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.config import ConfigMixIn, ManualArgs  # type: ignore[import-untyped] # has no types
from cfnlint.runner import Runner  # type: ignore[import-untyped] # has no types

from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    PREBUILT_IMAGE,
    PURPOSES,
    REPOSITORY,
    Assembly,
    every_serverless_setting,
    with_every_api_setting,
    with_every_scaling_setting,
    with_serving,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.delivery_pipeline import PipelineAssembly

PIPELINE_TEMPLATE = "whippet-pipeline.template.json"


@pytest.fixture(scope="module")
def in_repository() -> Iterator[None]:
    """Change to the repository, where cfn-lint finds .cfnlintrc."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(REPOSITORY)
        yield


def lint(templates: list[Path]) -> dict[str, list[str]]:
    """Return cfn-lint's findings by template."""
    arguments: Any = ManualArgs(templates=[str(template) for template in templates])
    found = defaultdict(list)
    for match in Runner(ConfigMixIn(**arguments)).run():
        found[Path(match.filename).name].append(str(match))
    return found


@pytest.fixture(scope="module")
def findings(
    assemblies: dict[str, Assembly],
    pipeline: PipelineAssembly,
    in_repository: None,  # noqa: ARG001 - a fixture cannot be marked with usefixtures
) -> dict[str, list[str]]:
    """All templates in one run: loading the schemas of every resource type takes seconds."""
    templates = [
        path for each in assemblies.values() for path in each.directory.glob("*.template.json")
    ]
    assert len(templates) == len(assemblies) * len(PURPOSES)
    return lint([*templates, pipeline.directory / PIPELINE_TEMPLATE])


@pytest.mark.parametrize("purpose", PURPOSES)
def test_clean(assembly: Assembly, purpose: str, findings: dict[str, list[str]]) -> None:
    assert findings.get(f"{assembly.settings.name}-{purpose}.template.json", []) == []


def test_the_pipeline_is_clean(findings: dict[str, list[str]]) -> None:
    # cfn-lint reports advice about the style of a Fn::Join, in which CDK writes the roles of
    # actions, as an error of these actions.
    advice = "Prefer using Fn::Sub over Fn::Join with an empty delimiter"
    found = findings.get(PIPELINE_TEMPLATE, [])
    assert [each for each in found if not ("E3703" in each and advice in each)] == []


@pytest.mark.usefixtures("in_repository")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"instance_type": "ml.g5.xlarge"}, id="gpu"),
        pytest.param({"image_uri": PREBUILT_IMAGE}, id="prebuilt"),
        pytest.param({"rollout": "canary", "min_instance_count": 2}, id="canary"),
        pytest.param({"rollout": "linear", "min_instance_count": 2}, id="linear"),
        pytest.param(every_serverless_setting(), id="serverless"),
    ],
)
def test_other_ways_to_serve_are_clean(
    dev_settings: StageSettings, synthesize_with: Synthesize, changes: dict[str, Any]
) -> None:
    assembly = synthesize_with(with_serving(dev_settings, **changes))
    assert lint([assembly.directory / "whippet-dev-serving.template.json"]) == {}


@pytest.mark.usefixtures("in_repository")
def test_all_that_the_api_and_the_scaling_can_have_is_clean(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    everything = with_changes(
        dev_settings,
        api=with_every_api_setting(dev_settings.api),
        serving=with_every_scaling_setting(dev_settings.serving),
    )
    assembly = synthesize_with(everything)
    templates = [f"whippet-dev-{stack}.template.json" for stack in ("api", "serving")]
    assert lint([assembly.directory / template for template in templates]) == {}


@pytest.mark.usefixtures("in_repository")
def test_a_machine_of_ec2_and_a_notebook_are_clean(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    network = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}
    everything = with_changes(
        dev_settings,
        ec2_trainer=with_changes(dev_settings.ec2_trainer, **network),
        notebook=with_changes(dev_settings.notebook, enabled=True, **network),
    )
    assembly = synthesize_with(everything)
    assert lint([assembly.directory / "whippet-dev-training.template.json"]) == {}


@pytest.mark.usefixtures("in_repository")
@pytest.mark.parametrize(
    "network",
    [
        pytest.param({"vpc": "own"}, id="own"),
        pytest.param(
            {
                "vpc": "existing",
                "vpc_id": "vpc-0a1b2c3d",
                "subnet_ids": ("subnet-0a1b2c3d", "subnet-1a1b2c3d"),
                "s3_prefix_list_id": "pl-0a1b2c3d",
            },
            id="existing",
        ),
    ],
)
def test_what_runs_in_a_network_is_clean(
    dev_settings: StageSettings, synthesize_with: Synthesize, network: dict[str, Any]
) -> None:
    assembly = synthesize_with(
        with_changes(dev_settings, network=with_changes(dev_settings.network, **network))
    )
    stacks = ("network", "training", "serving", "api")
    assert lint([assembly.directory / f"whippet-dev-{each}.template.json" for each in stacks]) == {}


@pytest.mark.usefixtures("in_repository")
def test_a_cycle_is_found(dev: Assembly, tmp_path: Path) -> None:
    """A rollback alarm that references its endpoint's name attribute."""
    template = dev.template("serving")
    endpoint = dev.resource("serving", "AWS::SageMaker::Endpoint").logical_id
    for resource in template["Resources"].values():
        for dimension in resource.get("Properties", {}).get("Dimensions", []):
            if dimension["Name"] == "EndpointName":
                dimension["Value"] = {"Fn::GetAtt": [endpoint, "EndpointName"]}
    path = tmp_path / "cycle.template.json"
    path.write_text(json.dumps(template))
    assert any("E3004" in match for match in lint([path])[path.name])
