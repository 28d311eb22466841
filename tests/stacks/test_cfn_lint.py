import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.config import ConfigMixIn, ManualArgs
from cfnlint.runner import Runner

from tests.stacks.assembly import PURPOSES, REPOSITORY, Assembly


def lint(template: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what cfn-lint says with the repository's .cfnlintrc."""
    monkeypatch.chdir(REPOSITORY)
    arguments: Any = ManualArgs(templates=[str(template)])
    return [str(match) for match in Runner(ConfigMixIn(**arguments)).run()]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_clean(assembly: Assembly, purpose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    template = assembly.directory / f"{assembly.settings.name}-{purpose}.template.json"
    assert lint(template, monkeypatch) == []


def test_a_cycle_is_found(dev: Assembly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would happen if a rollback alarm named its endpoint by the endpoint's attribute."""
    template = dev.template("serving")
    endpoint = dev.resource("serving", "AWS::SageMaker::Endpoint").logical_id
    for resource in template["Resources"].values():
        for dimension in resource.get("Properties", {}).get("Dimensions", []):
            if dimension["Name"] == "EndpointName":
                dimension["Value"] = {"Fn::GetAtt": [endpoint, "EndpointName"]}
    path = tmp_path / "cycle.template.json"
    path.write_text(json.dumps(template))
    assert any("E3004" in match for match in lint(path, monkeypatch))
