"""The demo's model in other bytes, and what changes with a deployed model."""

import contextlib
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.local.api_requests import classify
from tests.local.conftest import DEMO_MODEL
from tests.local.test_api import GOOD
from tests.stacks.fake_inputs import write_archive
from tools.local.deployment import LocalDeployment


def write_other_archive(folder: Path) -> str:
    """Write the demo with other metrics, as a second build may; return the archive's sha256."""
    with tarfile.open(DEMO_MODEL / "model.tar.gz") as original:
        members = {
            member.name: file.read()
            for member in original
            if (file := original.extractfile(member)) is not None
        }
    manifest = json.loads(members["manifest.json"])
    manifest["metrics"]["epochs"] += 1
    members["manifest.json"] = json.dumps(manifest, ensure_ascii=False, indent=2).encode()
    folder.mkdir()
    (folder / "manifest.json").write_bytes(members["manifest.json"])
    write_archive(folder, members)
    return sha256_of(folder)


def sha256_of(folder: Path) -> str:
    return hashlib.sha256((folder / "model.tar.gz").read_bytes()).hexdigest()


def served_version(deployment: LocalDeployment) -> Any:
    status, body = classify(deployment, GOOD)
    assert status == 200
    return body["model"]["version"]


def rollback_alarms(cloudwatch: Any) -> dict[str, str]:
    """Return the configuration that each rollback alarm of the endpoint watches."""
    prefix = "whippet-local-serving-RollbackAlarms"
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    assert len(alarms) == 2
    watched = {}
    for alarm in alarms:
        metrics = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", [])[1:]]
        found = {
            each["Value"]
            for metric in metrics or [alarm]
            for each in metric["Dimensions"]
            if each["Name"] == "EndpointConfigName"
        }
        (watched[alarm["AlarmName"]],) = found
    return watched


@contextlib.contextmanager
def changed_model(
    client: Callable[[str], Any], deployment: LocalDeployment, digest: str
) -> Iterator[None]:
    """Check that a deployment changes what the endpoint serves, and what watches it.

    Args:
        client: clients of the cloud.
        deployment: a deployment of the same endpoint, before or after.
        digest: sha256 of the archive that is deployed; its identity is the demo's.
    """
    sagemaker, cloudwatch = client("sagemaker"), client("cloudwatch")
    before = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    alarms_before = rollback_alarms(cloudwatch)
    yield
    after = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
    # What served until now stays, so that the endpoint can be put back to it.
    assert after["EndpointConfigName"] != before["EndpointConfigName"]
    sagemaker.describe_endpoint_config(EndpointConfigName=before["EndpointConfigName"])
    # What is on for the old instances is no reason to roll back the new ones.
    alarms_after = rollback_alarms(cloudwatch)
    assert not alarms_after.keys() & alarms_before.keys()
    assert set(alarms_after.values()) == {after["EndpointConfigName"]}
    model = sagemaker.describe_model(ModelName=_model_name(sagemaker, after))
    tags = sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"]
    assert {"Key": "whippet:model-sha256", "Value": digest} in tags
    # Nothing but the manifest's metrics differs: the identity is one and the same.
    identity = json.loads((DEMO_MODEL / "manifest.json").read_text())["identity"]
    assert {"Key": "whippet:model-identity", "Value": identity} in tags


def _model_name(sagemaker: Any, endpoint: dict[str, Any]) -> str:
    configuration = sagemaker.describe_endpoint_config(
        EndpointConfigName=endpoint["EndpointConfigName"]
    )
    return str(configuration["ProductionVariants"][0]["ModelName"])
