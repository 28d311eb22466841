"""What an endpoint serves, and which images are sent to it."""

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from stacks.settings.stage import StageSettings
from tests.stacks.fake_inputs import NETWORKS, write_model
from tests.tools.stubbed_session import MODEL_ARN, stubbed_client
from tools.cdk import ROOT
from tools.console import ToolError
from tools.load import artifacts
from tools.load.images import choose_images, with_media_types
from tools.load.served import Served, describe_measured, read_served

SETTINGS = StageSettings.model_validate({"stage": "dev"})
LOCAL = StageSettings.model_validate({"stage": "local"})
ROLE = "arn:aws:iam::123456789012:role/r"


def served(**changed: Any) -> Served:
    values = {"instance_type": "ml.c6i.large", "precision": "int8", "version": "0" * 12}
    return Served(**{**values, "instances": 1, "is_changing": False, **changed})


def artifact(folder: Path, *, int8: bool = False, samples: int = 0) -> str:
    """Write an artifact; return its model's version."""
    networks = {**NETWORKS, "model.int8.onnx": b"8"} if int8 else NETWORKS
    write_model(folder, networks=networks, name=folder.name)
    for number in range(samples):
        (folder / "samples").mkdir(exist_ok=True)
        photo = (ROOT / "samples" / "cat.jpg").read_bytes()
        (folder / "samples" / f"{number + 1:02}-cat.jpg").write_bytes(photo)
    return (folder / "model.tar.gz.sha256").read_text()[:12]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(artifacts, "ROOT", tmp_path)
    return tmp_path


def stub_endpoint(sagemaker: Stubber, status: str, *counts: int) -> None:
    variants = [
        {"VariantName": f"v{n}", "CurrentInstanceCount": count} for n, count in enumerate(counts)
    ]
    sagemaker.add_response(
        "describe_endpoint",
        {"EndpointName": "whippet-dev", "EndpointArn": MODEL_ARN, "EndpointConfigName": "c"}
        | {"EndpointStatus": status, "CreationTime": 0, "LastModifiedTime": 0}
        | {"ProductionVariants": variants, "FailureReason": "no space"},
        {"EndpointName": "whippet-dev"},
    )


@pytest.mark.parametrize(("status", "is_changing"), [("InService", False), ("Updating", True)])
def test_an_endpoint_in_service(status: str, is_changing: bool) -> None:
    client = stubbed_client("sagemaker")
    variant = {"VariantName": "primary", "ModelName": "m", "InstanceType": "ml.c6i.large"}
    environment = {"WHIPPET_PRECISION": "auto", "WHIPPET_MODEL_VERSION": "abc"}
    with Stubber(client) as sagemaker:
        stub_endpoint(sagemaker, status, 3)
        sagemaker.add_response(
            "describe_endpoint_config",
            {"EndpointConfigName": "c", "EndpointConfigArn": MODEL_ARN, "CreationTime": 0}
            | {"ProductionVariants": [variant]},
            {"EndpointConfigName": "c"},
        )  # fmt: skip
        sagemaker.add_response(
            "describe_model",
            {"ModelName": "m", "ModelArn": MODEL_ARN, "CreationTime": 0, "ExecutionRoleArn": ROLE}
            | {"PrimaryContainer": {"Environment": environment}},
            {"ModelName": "m"},
        )  # fmt: skip
        found = read_served(client, SETTINGS)
    assert found == served(precision="auto", version="abc", instances=3, is_changing=is_changing)


def test_an_endpoint_that_does_not_serve() -> None:
    client = stubbed_client("sagemaker")
    with Stubber(client) as sagemaker:
        stub_endpoint(sagemaker, "Failed", 0)
        with pytest.raises(ToolError, match=r"whippet-dev is Failed, expected InService.*no space"):
            read_served(client, SETTINGS)
        message = 'Could not find endpoint "arn"'
        sagemaker.add_client_error("describe_endpoint", "ValidationException", message)
        with pytest.raises(ToolError, match=r"`make deploy STAGE=dev`\) or is paused"):
            read_served(client, SETTINGS)


@pytest.mark.parametrize(
    ("settings", "precision", "expected"),
    [
        (SETTINGS, "int8", "ml.c6i.large int8"),
        (SETTINGS, "fp32", "ml.c6i.large fp32"),
        (SETTINGS, "bf16", "ml.c6i.large bf16"),
        (LOCAL, "fp32", "local fp32"),
    ],
)
def test_a_precision_that_is_set(settings: StageSettings, precision: str, expected: str) -> None:
    assert describe_measured(settings, served(precision=precision), None) == expected


@pytest.mark.parametrize(
    ("settings", "precision", "has_it", "expected"),
    [
        (LOCAL, "bf16", True, "local bf16"),
        (LOCAL, "bf16", False, "local fp32"),
        (LOCAL, "fp16", True, "local fp32"),
        (LOCAL, "int8", False, "local int8"),
        (SETTINGS, "bf16", False, "ml.c6i.large bf16"),
    ],
)
def test_a_laptop_is_named_with_the_precision_that_it_serves(
    monkeypatch: pytest.MonkeyPatch,
    settings: StageSettings,
    precision: str,
    has_it: bool,
    expected: str,
) -> None:
    monkeypatch.setattr("tools.load.served.has_bf16", lambda: has_it)
    assert describe_measured(settings, served(precision=precision), None) == expected


def test_the_precision_auto_is_that_of_the_model_that_is_served(repository: Path) -> None:
    fp32 = artifact(repository / "build" / "model")
    named = repository / "elsewhere"
    other = artifact(named, int8=True)
    auto = {"precision": "auto"}
    assert describe_measured(SETTINGS, served(**auto, version=fp32), None) == "ml.c6i.large fp32"
    with pytest.raises(ToolError, match="In which precision the endpoint serves is not known"):
        describe_measured(SETTINGS, served(**auto, version=other), None)
    assert describe_measured(SETTINGS, served(**auto, version=other), named) == "ml.c6i.large int8"
    with pytest.raises(ToolError, match="not known"):
        describe_measured(SETTINGS, served(precision=None, version=None), None)


def test_the_images_are_those_of_the_model_that_is_served(repository: Path) -> None:
    artifact(repository / "build" / "model", samples=2)
    version = artifact(repository / "build" / "store" / "ab", samples=3)
    images, said = choose_images(None, version, None)
    assert [image.name for image in images] == ["01-cat.jpg", "02-cat.jpg", "03-cat.jpg"]
    assert said.startswith("3 sample images of the model")
    for unknown in ("f" * 12, None):
        images, said = choose_images(None, unknown, None)
        assert [image.name for image in images] == ["cat.jpg"]
        assert "no sample images of the deployed model" in said


def test_images_that_the_user_names(tmp_path: Path) -> None:
    photo = (ROOT / "samples" / "cat.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(photo)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    images, said = choose_images(str(tmp_path), None, None)
    assert [kind for _, kind in with_media_types(images)] == ["image/jpeg", "image/png"]
    assert said == f"2 of {tmp_path}"
    (tmp_path / "c.jpg").write_bytes(photo + bytes(4 << 20))
    with pytest.raises(ToolError, match=r"c\.jpg has more than the 4 MiB"):
        with_media_types(choose_images(str(tmp_path), None, None)[0])
