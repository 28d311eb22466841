"""Endpoints are created, updated and deleted; a failed start leaves nothing behind."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.hosting.hosting import Deployment, HostedVariant
from tests.local_cloud.sagemaker import IMAGE, OTHER_ROLE, ROLE, SCOPE, StandInSageMaker


def create(sagemaker: StandInSageMaker, configuration: str = "first-configuration") -> Any:
    sagemaker.call("CreateEndpoint", EndpointName="endpoint", EndpointConfigName=configuration)
    return sagemaker.settled()


def update(sagemaker: StandInSageMaker, configuration: str, **members: Any) -> Any:
    sagemaker.call(
        "UpdateEndpoint", EndpointName="endpoint", EndpointConfigName=configuration, **members
    )
    return sagemaker.settled()


def invoke(
    sagemaker: StandInSageMaker, body: bytes = b"image", **headers: str
) -> tuple[int, dict[str, str], Any]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    path = "/endpoints/endpoint/invocations"
    status, received, content = sagemaker.service.handle(SCOPE, path, given, body)
    return status, received, json.loads(content)


def servers(sagemaker: StandInSageMaker) -> list[int]:
    return [
        process.pid
        for process in psutil.Process().children()
        if str(sagemaker.models) in " ".join(process.cmdline())
    ]


def test_a_new_endpoint_serves_requests(sagemaker: StandInSageMaker) -> None:
    found = create(sagemaker)
    assert found["EndpointStatus"] == "InService"
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    status, headers, content = invoke(
        sagemaker,
        content_type="image/png",
        x_amzn_sagemaker_custom_attributes="top_k=2",
        authorization="secret",
    )
    assert (status, content["body"]) == (200, "image")
    assert headers["x-Amzn-Invoked-Production-Variant"] == "primary"
    assert content["headers"]["content-type"] == "image/png"
    assert content["headers"]["x-amzn-sagemaker-custom-attributes"] == "top_k=2"
    assert "authorization" not in content["headers"]


def test_an_endpoint_without_data_capture_has_no_configuration_of_it(
    sagemaker: StandInSageMaker,
) -> None:
    # The SDK validates the members of one that is there.
    assert "DataCaptureConfig" not in create(sagemaker)


def test_every_invocation_has_its_metrics_of_the_variant_and_of_the_configuration(
    sagemaker: StandInSageMaker,
) -> None:
    create(sagemaker)
    assert invoke(sagemaker, b"bad")[0] == 424
    values = {name: value for name, value, _ in sagemaker.platform.metrics}
    assert values.pop("ModelLatency") > values.pop("OverheadLatency") > 0
    assert values == {
        "Invocations": 1,
        "InvocationsPerInstance": 1,
        "Invocation4XXErrors": 1,
        "Invocation5XXErrors": 0,
        "InvocationModelErrors": 1,
    }
    dimensions = [given for name, _, given in sagemaker.platform.metrics if name == "Invocations"]
    variant = {"EndpointName": "endpoint", "VariantName": "primary"}
    assert dimensions == [variant, variant | {"EndpointConfigName": "first-configuration"}]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("damaged", "it exited with status 1. the model is damaged"),
        ("absent", "Failed to download model data from s3://models/absent.tar.gz"),
    ],
)
def test_an_endpoint_that_does_not_start_leaves_no_process_and_no_folder(
    sagemaker: StandInSageMaker, model: str, reason: str
) -> None:
    found = create(sagemaker, f"{model}-configuration")
    assert found["EndpointStatus"] == "Failed"
    assert reason in found["FailureReason"]
    assert servers(sagemaker) == []
    assert list(sagemaker.models.iterdir()) == []
    status, _, error = invoke(sagemaker)
    assert (status, error["__type"]) == (400, "ValidationError")


def test_a_second_variant_that_does_not_start_stops_the_first(
    sagemaker: StandInSageMaker,
) -> None:
    variants = [
        {"VariantName": model, "ModelName": model, "InitialInstanceCount": 1,
         "InstanceType": "ml.m5.large"}
        for model in ("first", "damaged")
    ]  # fmt: skip
    sagemaker.call("CreateEndpointConfig", EndpointConfigName="two", ProductionVariants=variants)
    assert create(sagemaker, "two")["EndpointStatus"] == "Failed"
    assert servers(sagemaker) == []
    assert list(sagemaker.models.iterdir()) == []


def test_an_update_replaces_the_instances(sagemaker: StandInSageMaker) -> None:
    create(sagemaker)
    before = invoke(sagemaker)[2]["process_id"]
    found = update(sagemaker, "second-configuration")
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == "second-configuration"
    assert servers(sagemaker) == [invoke(sagemaker)[2]["process_id"]] != [before]
    assert len(list(sagemaker.models.iterdir())) == 1


def test_a_failed_update_keeps_the_old_instances(sagemaker: StandInSageMaker) -> None:
    create(sagemaker)
    before = invoke(sagemaker)[2]["process_id"]
    found = update(sagemaker, "damaged-configuration")
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == "first-configuration"
    assert "the model is damaged" in found["FailureReason"]
    assert servers(sagemaker) == [before] == [invoke(sagemaker)[2]["process_id"]]
    assert len(list(sagemaker.models.iterdir())) == 1


@pytest.mark.parametrize(("retained", "count"), [(True, 2), (False, 1)])
def test_an_update_keeps_the_number_of_instances_only_on_request(
    sagemaker: StandInSageMaker, retained: bool, count: int
) -> None:
    create(sagemaker)
    sagemaker.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="endpoint",
        DesiredWeightsAndCapacities=[{"VariantName": "primary", "DesiredInstanceCount": 2}],
    )
    assert sagemaker.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    found = update(sagemaker, "second-configuration", RetainAllVariantProperties=retained)
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == count
    assert len(servers(sagemaker)) == count


def test_a_change_that_fails_unexpectedly_ends(
    sagemaker: StandInSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(sagemaker)

    replaced = sagemaker.endpoints.deployment(SCOPE, "endpoint")

    def stop(_deployment: Deployment) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(Deployment, "stop", stop)
        found = update(sagemaker, "second-configuration")
    replaced.stop()
    assert found["EndpointStatus"] == "Failed"
    assert "a defect" in found["FailureReason"]


def test_a_deleted_endpoint_leaves_nothing(sagemaker: StandInSageMaker) -> None:
    create(sagemaker)
    sagemaker.call("DeleteEndpoint", EndpointName="endpoint")
    assert sagemaker.endpoints.wait(SCOPE, "endpoint") is None
    assert servers(sagemaker) == []
    assert list(sagemaker.models.iterdir()) == []
    assert (sagemaker.logs / "endpoint").is_dir(), "its logs stay"
    with pytest.raises(AwsError, match="Could not find endpoint"):
        sagemaker.call("DeleteEndpoint", EndpointName="endpoint")


def test_an_endpoint_is_changed_by_one_request_at_a_time(
    sagemaker: StandInSageMaker,
) -> None:
    sagemaker.call(
        "CreateEndpoint", EndpointName="endpoint", EndpointConfigName="first-configuration"
    )
    with pytest.raises(AwsError, match="in-progress"):
        sagemaker.call("DeleteEndpoint", EndpointName="endpoint")
    with pytest.raises(AwsError, match="already existing"):
        create(sagemaker)
    assert sagemaker.settled()["EndpointStatus"] == "InService"


@pytest.mark.parametrize(
    ("operation", "parameters", "message"),
    [
        ("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "none"}, "Could not find"),
        ("UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "none"}, "Could not find"),
        ("CreateEndpoint", {"EndpointName": "_", "EndpointConfigName": "none"}, "pattern"),
        ("CreateEndpoint", {"EndpointName": "e"}, "Member must not be null"),
        ("CreateNothing", {}, "no operation CreateNothing"),
        ("ListHubs", {}, "does not emulate sagemaker:ListHubs"),
        (
            "CreateModel",
            {"ModelName": "m", "ExecutionRoleArn": f"{ROLE}/unknown"},
            "Could not assume role",
        ),
        ("CreateModel", {"ModelName": "m"}, "needs an ExecutionRoleArn"),
        ("CreateModel", {"ModelName": "first", "ExecutionRoleArn": ROLE}, "already existing"),
        (
            "CreateModel",
            {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "a:b"}},
            "there is no asset.b in",
        ),
    ],
)
def test_an_invalid_request_is_refused(
    sagemaker: StandInSageMaker, operation: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(AwsError, match=message):
        sagemaker.call(operation, **parameters)


def test_a_variant_without_instances_or_containers_is_refused_with_the_reason(
    sagemaker: StandInSageMaker,
) -> None:
    variant = {"VariantName": "primary", "ModelName": "first", "InstanceType": "ml.m5.large"}
    sagemaker.call("CreateEndpointConfig", EndpointConfigName="less", ProductionVariants=[variant])
    assert "has no InitialInstanceCount" in create(sagemaker, "less")["FailureReason"]


def test_the_gpu_engine_is_replaced_and_all_else_kept(sagemaker: StandInSageMaker) -> None:
    gpu = {"WHIPPET_ENGINE": "cuda", "WHIPPET_BATCH": "64", "WHIPPET_PRECISION": "fp16"}
    sagemaker.create_model("gpu", Environment=gpu)
    sagemaker.create_configuration("gpu-configuration", "gpu")
    create(sagemaker, "gpu-configuration")
    variables = invoke(sagemaker)[2]["variables"]
    assert (variables["WHIPPET_ENGINE"], variables["WHIPPET_BATCH"]) == ("openvino", "64")
    assert variables["WHIPPET_PRECISION"] == "fp32"


def test_a_model_keeps_its_server_when_the_assembly_changes(
    sagemaker: StandInSageMaker, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "assembly")
    assert create(sagemaker)["EndpointStatus"] == "InService"
    sagemaker.create_model("later", Image=IMAGE)


def test_requests_follow_the_weights_and_the_target() -> None:
    variants = tuple(
        HostedVariant(
            name=name,
            weight=weight,
            execution_role_arn=ROLE,
            fleet=None,  # type: ignore[arg-type]
            model_directory=Path(),
        )
        for name, weight in (("none", 0.0), ("all", 1.0))
    )
    deployment = Deployment(configuration_name="c", variants=variants)
    assert {deployment.choose(None).name for _ in range(50)} == {"all"}
    assert deployment.choose("none").name == "none"
    with pytest.raises(AwsError, match="Variant other is not found"):
        deployment.choose("other")


def test_without_a_healthy_instance_the_service_is_unavailable(
    sagemaker: StandInSageMaker,
) -> None:
    create(sagemaker)
    with sagemaker.endpoints.deployment(SCOPE, "endpoint").variants[0].fleet.lease() as instance:
        instance.healthy = False
        status, _, error = invoke(sagemaker)
    assert (status, error["__type"]) == (503, "ServiceUnavailable")
    recorded = {name for name, _, _ in sagemaker.platform.metrics}
    assert "Invocation5XXErrors" in recorded
    assert "ModelLatency" not in recorded, "no instance got the request"


def test_a_payload_above_25_megabytes_is_refused(sagemaker: StandInSageMaker) -> None:
    create(sagemaker)
    status, _, error = invoke(sagemaker, bytes(25 * 2**20 + 1))
    assert (status, error["__type"]) == (400, "ValidationError")


def rollout(kind: str = "ALL_AT_ONCE", bake: int = 60) -> dict[str, Any]:
    routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": 30}
    if kind == "CANARY":
        routing["CanarySize"] = {"Type": "INSTANCE_COUNT", "Value": 1}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": bake,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }


def served_while_updating(sagemaker: StandInSageMaker) -> list[tuple[int, str]]:
    """Invoke until the update has ended; return each status and the configuration that served."""
    served = []
    while sagemaker.call("DescribeEndpoint", EndpointName="endpoint")["EndpointStatus"] in {
        "Updating", "RollingBack",
    }:  # fmt: skip
        before = len(sagemaker.platform.metrics)
        status, _, _ = invoke(sagemaker)
        (name,) = {
            dimensions["EndpointConfigName"]
            for _, _, dimensions in sagemaker.platform.metrics[before:]
            if "EndpointConfigName" in dimensions
        }
        served.append((status, name))
    return served


def test_an_alarm_during_the_bake_rolls_back_without_a_failed_request(
    sagemaker: StandInSageMaker,
) -> None:
    create(sagemaker)
    before = servers(sagemaker)
    sagemaker.call(
        "UpdateEndpoint", EndpointName="endpoint", EndpointConfigName="second-configuration",
        DeploymentConfig=rollout(bake=600),
    )  # fmt: skip
    while not any("second" in str(metric) for metric in sagemaker.platform.metrics):
        invoke(sagemaker)
    sagemaker.raised_alarms.add("errors")
    served = served_while_updating(sagemaker)
    found = sagemaker.settled()
    assert {status for status, _ in served} == {200}
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == "first-configuration"
    assert found["FailureReason"] == (
        "The deployment was rolled back: the alarm errors is in the state ALARM."
    )
    assert servers(sagemaker) == before
    assert invoke(sagemaker)[0] == 200


def test_a_canary_gives_the_new_fleet_half_of_the_requests_first(
    sagemaker: StandInSageMaker,
) -> None:
    sagemaker.create_configuration("two", "first", InitialInstanceCount=2)
    sagemaker.create_configuration("other-two", "second", InitialInstanceCount=2)
    create(sagemaker, "two")
    sagemaker.call(
        "UpdateEndpoint", EndpointName="endpoint", EndpointConfigName="other-two",
        DeploymentConfig=rollout("CANARY"),
    )  # fmt: skip
    while not any("other-two" in str(metric) for metric in sagemaker.platform.metrics):
        invoke(sagemaker)
    chosen = [
        sagemaker.endpoints.route(SCOPE, "endpoint").configuration_name for _ in range(1000)
    ]  # fmt: skip
    assert 400 < chosen.count("other-two") < 600
    served = served_while_updating(sagemaker)
    assert sagemaker.settled()["EndpointConfigName"] == "other-two"
    assert {status for status, _ in served} == {200}
    assert len(servers(sagemaker)) == 2


def test_an_alarm_that_is_already_raised_ends_the_deployment(sagemaker: StandInSageMaker) -> None:
    create(sagemaker)
    sagemaker.raised_alarms.add("errors")
    found = update(sagemaker, "second-configuration", DeploymentConfig=rollout())
    assert found["EndpointConfigName"] == "first-configuration"
    assert "rolled back" in found["FailureReason"]
    # Without the alarms, as serving.rollback_alarms_enabled = false deploys it.
    found = update(sagemaker, "second-configuration", DeploymentConfig={
        "BlueGreenUpdatePolicy": rollout(bake=0)["BlueGreenUpdatePolicy"]
    })  # fmt: skip
    assert found["EndpointConfigName"] == "second-configuration"
    assert "FailureReason" not in found


def test_alarms_that_the_new_models_role_may_not_read_end_the_deployment(
    sagemaker: StandInSageMaker,
) -> None:
    create(sagemaker)
    before = servers(sagemaker)
    sagemaker.unprivileged_roles.add(ROLE)
    recorded = len(sagemaker.platform.metrics)
    found = update(sagemaker, "second-configuration", DeploymentConfig=rollout())
    assert found["EndpointStatus"] == "InService"
    assert found["EndpointConfigName"] == "first-configuration"
    assert found["FailureReason"] == f"{ROLE} may not read errors"
    assert servers(sagemaker) == before
    assert invoke(sagemaker)[0] == 200
    assert "second-configuration" not in str(sagemaker.platform.metrics[recorded:])
    # What watches nothing needs no permission.
    found = update(sagemaker, "second-configuration")
    assert found["EndpointConfigName"] == "second-configuration"


def test_the_role_is_that_of_the_new_model(sagemaker: StandInSageMaker) -> None:
    create(sagemaker)
    sagemaker.create_model("third", role=OTHER_ROLE)
    sagemaker.create_configuration("third-configuration", "third")
    for role, served in ((OTHER_ROLE, "first-configuration"), (ROLE, "third-configuration")):
        sagemaker.unprivileged_roles = {role}
        found = update(sagemaker, "third-configuration", DeploymentConfig=rollout(bake=0))
        assert found["EndpointConfigName"] == served


def test_a_permission_that_is_removed_during_the_bake_rolls_back(
    sagemaker: StandInSageMaker,
) -> None:
    create(sagemaker)
    sagemaker.call(
        "UpdateEndpoint", EndpointName="endpoint", EndpointConfigName="second-configuration",
        DeploymentConfig=rollout(bake=600),
    )  # fmt: skip
    while not any("second" in str(metric) for metric in sagemaker.platform.metrics):
        invoke(sagemaker)
    sagemaker.unprivileged_roles.add(ROLE)
    found = sagemaker.settled()
    assert found["EndpointConfigName"] == "first-configuration"
    assert "may not read" in found["FailureReason"]
    assert len(servers(sagemaker)) == 1


@pytest.mark.parametrize("raised", [False, True])
@pytest.mark.parametrize("kind", ["ALL_AT_ONCE", "CANARY"])
def test_the_size_of_a_scaled_fleet_is_kept(
    sagemaker: StandInSageMaker, kind: str, raised: bool
) -> None:
    sagemaker.create_configuration("two", "first", InitialInstanceCount=2)
    sagemaker.create_configuration("other-two", "second", InitialInstanceCount=2)
    create(sagemaker, "two")
    wanted = [{"VariantName": "primary", "DesiredInstanceCount": 3}]
    sagemaker.call(
        "UpdateEndpointWeightsAndCapacities", EndpointName="endpoint",
        DesiredWeightsAndCapacities=wanted,
    )  # fmt: skip
    assert sagemaker.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    if raised:
        sagemaker.raised_alarms.add("errors")
    found = update(
        sagemaker, "other-two", RetainAllVariantProperties=True, DeploymentConfig=rollout(kind, 0)
    )
    assert found["EndpointConfigName"] == ("two" if raised else "other-two")
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    assert len(servers(sagemaker)) == 3
    if not raised:
        # Without it, the configuration's own size.
        found = update(sagemaker, "two", DeploymentConfig=rollout(kind, 0))
        assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 2


def test_a_canary_of_one_instance_is_refused(sagemaker: StandInSageMaker) -> None:
    create(sagemaker)
    with pytest.raises(AwsError, match="at least two instances"):
        update(sagemaker, "second-configuration", DeploymentConfig=rollout("CANARY"))
    assert sagemaker.settled()["EndpointStatus"] == "InService"


def test_an_instance_that_stops_responds_to_its_requests_before(
    sagemaker: StandInSageMaker,
) -> None:
    create(sagemaker)
    (folder,) = sagemaker.models.iterdir()
    (folder / "slow").touch()
    fleet = sagemaker.endpoints.deployment(SCOPE, "endpoint").variants[0].fleet
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = pool.submit(invoke, sagemaker)
        while not fleet.outstanding:
            time.sleep(0.01)
        # The stand-in ends at once when it is told to.
        found = update(sagemaker, "second-configuration")
        assert waiting.result()[0] == 200
    assert found["EndpointConfigName"] == "second-configuration"
    assert len(servers(sagemaker)) == 1
