"""The models that `make deploy` prints before it prompts; SageMaker is botocore's stub."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from stacks.components.serving.model_artifact import ModelArtifact, load_model_artifact
from tests.stacks.fake_inputs import write_model
from tests.tools.stubbed_session import (
    StubbedSession,
    add_configuration,
    add_deployed_model,
    add_endpoint,
    add_model,
)
from tools.console import ToolError
from tools.deployment.deployed_model import DeployedModel, describe_change, read_deployed_model


@pytest.fixture
def model(tmp_path: Path) -> ModelArtifact:
    return load_model_artifact(write_model(tmp_path, name="fruit"))


def read(tags: dict[str, str], status: str = "InService") -> DeployedModel | None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_deployed_model(session.stubs["sagemaker"], tags, status)
        return read_deployed_model(session.client("sagemaker", "eu-west-1"), "whippet-dev")


def test_old_and_new_model_are_named(model: ModelArtifact) -> None:
    deployed = read({"whippet:model-name": "resnet50", "whippet:model-sha256": "0f" * 32})
    assert describe_change(deployed, model) == (
        f"Model now: resnet50 0f0f0f0f0f0f\nModel new: fruit {model.version}"
    )
    assert re.fullmatch(r"[0-9a-f]{12}", model.version)


def test_an_unchanged_model_is_said_to_be(model: ModelArtifact) -> None:
    deployed = read({"whippet:model-name": "fruit", "whippet:model-sha256": model.sha256})
    assert describe_change(deployed, model) == (
        f"Model now: fruit {model.version}\nModel new: the same: the model is unchanged"
    )


def test_a_model_of_an_earlier_release_has_no_sha256(model: ModelArtifact) -> None:
    deployed = read({"whippet:model-name": "fruit", "whippet:model-identity": "5e" * 32})
    assert describe_change(deployed, model).startswith(
        "Model now: fruit, deployed by a release of Whippet"
    )


def test_before_the_first_deployment_no_model_is_reported(model: ModelArtifact) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        session.stubs["sagemaker"].add_client_error(
            "describe_endpoint", "ValidationException", 'Could not find endpoint "arn".'
        )
        deployed = read_deployed_model(session.client("sagemaker", "eu-west-1"), "whippet-dev")
    assert describe_change(deployed, model) == (
        f"Model now: none yet\nModel new: fruit {model.version}"
    )


def test_an_endpoint_that_cannot_be_described_ends_in_a_message() -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        session.stubs["sagemaker"].add_client_error(
            "describe_endpoint", "AccessDeniedException", "no"
        )
        with pytest.raises(ToolError, match="The endpoint whippet-dev cannot be described"):
            read_deployed_model(session.client("sagemaker", "eu-west-1"), "whippet-dev")


@pytest.mark.parametrize(
    ("operation", "code", "text"),
    [
        ("describe_endpoint_config", "ValidationException", "Could not find endpoint conf"),
        ("describe_model", "ValidationException", "Could not find model"),
        ("describe_model", "AccessDeniedException", "not authorized"),
        ("list_tags", "AccessDeniedException", "not authorized"),
    ],
)
def test_a_model_that_cannot_be_read_does_not_end_the_deployment(
    model: ModelArtifact, operation: str, code: str, text: str
) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        stub = session.stubs["sagemaker"]
        add_endpoint(stub)
        if operation != "describe_endpoint_config":
            add_configuration(stub, ModelName="m")
        if operation == "list_tags":
            add_model(stub)
        stub.add_client_error(operation, code, text)
        deployed = read_deployed_model(session.client("sagemaker", "eu-west-1"), "whippet-dev")
    assert deployed is not None
    assert deployed.configuration == "c"
    first, second = describe_change(deployed, model).splitlines()
    assert re.fullmatch(rf"Model now: cannot be read \(.*{code}.*{text}.*\)", first)
    assert second == f"Model new: fruit {model.version}"


def test_a_variant_of_inference_components_names_no_model(model: ModelArtifact) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        add_endpoint(session.stubs["sagemaker"])
        add_configuration(session.stubs["sagemaker"])
        deployed = read_deployed_model(session.client("sagemaker", "eu-west-1"), "whippet-dev")
    assert describe_change(deployed, model).startswith(
        "Model now: cannot be read (its endpoint configuration has no model)\n"
    )


def test_an_endpoint_that_is_not_in_service_is_said_to_be(model: ModelArtifact) -> None:
    deployed = read({"whippet:model-name": "fruit", "whippet:model-sha256": "0f" * 32}, "Failed")
    assert describe_change(deployed, model).startswith(
        "Model now: fruit 0f0f0f0f0f0f; the endpoint is Failed\n"
    )
