"""A deployed model is its archive's bytes: `make up` with other archives of the demo's identity."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.asking import ask
from tests.local.conftest import DEMO_MODEL, run_tool
from tests.local.test_api import GOOD
from tests.stacks.fake_inputs import write_archive
from tools.local_deployment import LocalDeployment


def deploy(state: Path, model: Path) -> subprocess.CompletedProcess[str]:
    return run_tool(
        "tools.up",
        "--model", str(model),
        "--state-directory", str(state),
        "--deployment", str(state / "local.json"),
        "--port", "0",
        "--public-port", "0",
        check=False,
    )  # fmt: skip


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
    status, answer = ask(deployment, GOOD)
    assert status == 200
    return answer["model"]["version"]


def test_other_bytes_of_one_identity_are_deployed_and_damaged_ones_are_not(
    state: Path, deployment: LocalDeployment, client: Callable[[str], Any], tmp_path: Path
) -> None:
    sagemaker = client("sagemaker")
    first = sha256_of(DEMO_MODEL)
    assert served_version(deployment) == first[:12]

    damaged = Path(shutil.copytree(DEMO_MODEL, tmp_path / "damaged"))
    content = bytearray((damaged / "model.tar.gz").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "model.tar.gz").write_bytes(content)
    refused = deploy(state, damaged)
    assert refused.returncode != 0
    assert f"{damaged / 'model.tar.gz'} was damaged or replaced after its build" in refused.stderr
    assert f"its sha256 is {sha256_of(damaged)}, expected {first}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert served_version(deployment) == first[:12]

    other = write_other_archive(tmp_path / "other")
    for folder, digest in ((tmp_path / "other", other), (DEMO_MODEL, first)):
        before = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
        deployed = deploy(state, folder)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        assert served_version(deployment) == digest[:12]
        after = sagemaker.describe_endpoint(EndpointName=deployment.endpoint_name)
        # What served until now stays, so that the endpoint can be put back to it.
        assert after["EndpointConfigName"] != before["EndpointConfigName"]
        sagemaker.describe_endpoint_config(EndpointConfigName=before["EndpointConfigName"])
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
