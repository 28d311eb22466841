"""The resources that `make deploy` deletes at its end; SageMaker is botocore's stub."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from tests.tools.stubbed_session import StubbedSession
from tools.deployment.prune import prune_superseded

STACK = "whippet-dev-serving"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:x/y"


def add_not_found(stub: Stubber, operation: str) -> None:
    stub.add_client_error(operation, "ValidationException", 'Could not find it "arn".')


def prune(
    configurations: Mapping[str, str | None],
    *,
    in_use: Sequence[str],
    foreign_models: Sequence[str] = (),
    deletes: Sequence[str] = (),
    previous: str | None = None,
    gone: Sequence[str] = (),
) -> list[str]:
    """Prune a stage; every unexpected call fails.

    Args:
        configurations: model of each configuration by its name, the oldest first; None: its
            variant has inference components in place of a model.
        in_use: configurations that an endpoint uses.
        foreign_models: those of them that are not the stage's.
        deletes: the configurations and the models that may be deleted, in order.
        previous: the configuration that served before the deployment.
        gone: configurations, models and endpoints that are listed and deleted a moment later.
    """
    with ExitStack() as stack:
        session = StubbedSession(stack)
        stub = session.stubs["sagemaker"]
        models = list(dict.fromkeys(filter(None, configurations.values())))
        stub.add_response(
            "list_models",
            {"Models": [{"ModelName": m, "ModelArn": ARN, "CreationTime": BEGAN} for m in models]},
        )
        for model in models:
            if model in gone:
                add_not_found(stub, "describe_model")
                continue
            owner = "another-stack" if model in foreign_models else STACK
            role = f"arn:aws:iam::123456789012:role/{owner}-ExecutionRole-1"
            common = {"ModelName": model, "ModelArn": ARN, "CreationTime": BEGAN}
            stub.add_response("describe_model", common | {"ExecutionRoleArn": role})
        times = {"CreationTime": BEGAN, "LastModifiedTime": BEGAN}
        status = {"EndpointArn": ARN, "EndpointStatus": "InService", **times}
        stub.add_response(
            "list_endpoints", {"Endpoints": [{"EndpointName": f"e-{c}", **status} for c in in_use]}
        )
        for name in in_use:
            if f"e-{name}" in gone:
                add_not_found(stub, "describe_endpoint")
                continue
            found = {"EndpointName": f"e-{name}", "EndpointConfigName": name, **status}
            stub.add_response("describe_endpoint", found, {"EndpointName": f"e-{name}"})
        listed = [
            {
                "EndpointConfigName": name,
                "EndpointConfigArn": ARN,
                "CreationTime": BEGAN + timedelta(days=day),
            }
            for day, name in enumerate(configurations)
        ]
        # Newest first, as SageMaker lists them unless told otherwise.
        stub.add_response("list_endpoint_configs", {"EndpointConfigs": listed[::-1]})
        for each in listed[::-1]:
            if each["EndpointConfigName"] in gone:
                add_not_found(stub, "describe_endpoint_config")
                continue
            named = configurations[str(each["EndpointConfigName"])]
            variant = {"VariantName": "primary"} | ({"ModelName": named} if named else {})
            stub.add_response(
                "describe_endpoint_config",
                each | {"ProductionVariants": [variant]},
                {"EndpointConfigName": each["EndpointConfigName"]},
            )
        for name in deletes:
            if name in configurations:
                stub.add_response("delete_endpoint_config", {}, {"EndpointConfigName": name})
            else:
                stub.add_response("delete_model", {}, {"ModelName": name})
        deleted = prune_superseded(
            session.client("sagemaker", "eu-west-1"), stack=STACK, previous=previous
        )
        stub.assert_no_pending_responses()
    return deleted


@pytest.mark.parametrize(
    ("configurations", "deletes"),
    [
        ({"c1": "m1"}, []),
        ({"c1": "m1", "c2": "m2"}, []),
        ({"c1": "m1", "c2": "m2", "c3": "m3"}, ["c1", "m1"]),
        ({"c1": "m1", "c2": "m2", "c3": "m3", "c4": "m4"}, ["c2", "c1", "m1", "m2"]),
    ],
)
def test_the_configuration_in_use_and_the_previous_one_are_kept(
    configurations: dict[str, str], deletes: list[str]
) -> None:
    newest = list(configurations)[-1]
    assert prune(configurations, in_use=[newest], deletes=deletes) == deletes


def test_a_model_that_a_kept_configuration_shares_is_kept() -> None:
    # A change of the settings alone replaces the configuration and not the model.
    assert prune({"c1": "m1", "c2": "m1", "c3": "m1"}, in_use=["c3"], deletes=["c1"]) == ["c1"]


def test_configurations_newer_than_the_one_in_use_are_deleted() -> None:
    # A deployment that was rolled back; the one before the one that serves stays.
    deleted = prune({"c1": "m1", "c2": "m2", "c3": "m3"}, in_use=["c2"], deletes=["c3", "m3"])
    assert deleted == ["c3", "m3"]


def test_everything_of_a_destroyed_stage_is_deleted() -> None:
    deletes = ["c2", "c1", "m1", "m2"]
    assert prune({"c1": "m1", "c2": "m2"}, in_use=[], deletes=deletes) == deletes


def test_resources_of_other_stages_are_ignored() -> None:
    deleted = prune(
        {"c1": "m1", "c2": "m2", "other": "theirs", "c3": "m3"},
        in_use=["c3"],
        foreign_models=["theirs"],
        deletes=["c1", "m1"],
    )
    assert deleted == ["c1", "m1"]


def test_after_a_silent_rollback_the_one_that_worked_is_kept() -> None:
    # c1 was in use, c2 was rolled back to it and not pruned, c3 fixes that.
    history = {"c1": "m1", "c2": "m2", "c3": "m3"}
    deleted = prune(history, in_use=["c3"], previous="c1", deletes=["c2", "m2"])
    assert deleted == ["c2", "m2"]


@pytest.mark.parametrize("previous", ["c3", "deleted-since", None])
def test_without_another_that_served_before_it_is_the_newest_older_one(
    previous: str | None,
) -> None:
    # A deployment that changed nothing of the model, for one.
    history = {"c1": "m1", "c2": "m2", "c3": "m3"}
    deleted = prune(history, in_use=["c3"], previous=previous, deletes=["c1", "m1"])
    assert deleted == ["c1", "m1"]


def test_a_configuration_without_models_is_not_the_stages() -> None:
    history = {"components": None, "c1": "m1", "c2": "m2", "newer": None}
    assert prune(history, in_use=["c2"]) == []


@pytest.mark.parametrize(
    ("gone", "deletes"),
    [
        (["c1"], ["m1"]),
        (["m1"], []),
        (["c1", "m1"], []),
        (["e-c1"], ["c1", "m1"]),
    ],
    ids=str,
)
def test_a_resource_that_was_deleted_meanwhile_is_skipped(
    gone: list[str], deletes: list[str]
) -> None:
    history = {"c1": "m1", "c2": "m2", "c3": "m3"}
    in_use = ["c3", "c1"] if "e-c1" in gone else ["c3"]
    assert prune(history, in_use=in_use, gone=gone, deletes=deletes) == deletes


def test_another_error_is_not_passed_over() -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        session.stubs["sagemaker"].add_response(
            "list_models",
            {"Models": [{"ModelName": "m", "ModelArn": ARN, "CreationTime": BEGAN}]},
        )
        session.stubs["sagemaker"].add_client_error("describe_model", "AccessDeniedException")
        with pytest.raises(ClientError, match="AccessDenied"):
            prune_superseded(session.client("sagemaker", "eu-west-1"), stack=STACK)
