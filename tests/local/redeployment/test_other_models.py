"""`make up` with another model than the one that serves: a default model, and other archives."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.api_requests import classify
from tests.local.conftest import DEMO_MODEL, up
from tests.local.redeployment.conftest import Redeploy
from tests.local.test_api import GOOD
from tests.stacks.fake_inputs import write_archive
from tools.cdk import ROOT
from tools.local.deployment import LocalDeployment

TRAINING = ROOT / ".venvs" / "training" / "bin" / "python"
CAT = ROOT / "samples" / "cat.jpg"
# ImageNet's indices of tabby, tiger cat, Persian, Siamese and Egyptian cat.
CAT_BREEDS = range(281, 286)


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


def test_the_packages_weights_see_a_cat_in_the_sample(
    deployment: LocalDeployment, redeploy: Redeploy, tmp_path: Path
) -> None:
    """What a fresh `make up` deploys where no model hub is in reach."""
    build = ["model_code/build.py", "--architecture", "efficientnet_lite0"]
    subprocess.run([TRAINING, *build, "--output", tmp_path], cwd=ROOT, check=True)
    printed = redeploy(tmp_path)
    assert "efficientnet_lite0, 1000 classes" in printed
    status, body = classify(deployment, CAT.read_bytes(), "image/jpeg")
    assert status == 200
    best = body["predictions"][0]
    assert best["index"] in CAT_BREEDS
    assert f"In samples/cat.jpg the model sees: {best['label']}." in printed


def test_other_bytes_of_one_identity_are_deployed_and_damaged_ones_are_not(
    state: Path,
    deployment: LocalDeployment,
    redeploy: Redeploy,
    client: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    sagemaker, cloudwatch = client("sagemaker"), client("cloudwatch")
    served = served_version(deployment)
    first = sha256_of(DEMO_MODEL)

    damaged = Path(shutil.copytree(DEMO_MODEL, tmp_path / "damaged"))
    content = bytearray((damaged / "model.tar.gz").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "model.tar.gz").write_bytes(content)
    refused = up(state, damaged, check=False)
    assert refused.returncode != 0
    assert f"{damaged / 'model.tar.gz'} was damaged or replaced after its build" in refused.stderr
    assert f"its sha256 is {sha256_of(damaged)}, expected {first}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert served_version(deployment) == served

    other = write_other_archive(tmp_path / "other")
    for folder, digest in ((tmp_path / "other", other), (DEMO_MODEL, first)):
        before = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
        alarms_before = rollback_alarms(cloudwatch)
        redeploy(folder)
        assert served_version(deployment) == digest[:12]
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
