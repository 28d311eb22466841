"""The checks of `make deploy` before it starts; AWS is botocore's stub."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from stacks.components.serving.model_artifact import load_model_artifact
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.fake_inputs import write_model
from tests.tools.deployment.builders import write_builder
from tests.tools.deployment.test_deploy import deploy
from tests.tools.stubbed_session import StubbedSession, add_quota
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.preflight import check_account

INSTANCES = "ml.m5.large for endpoint usage"
CONFIGURATION_DELETED = "configuration deleted"
IDENTITY = {"Account": "123456789012", "UserId": "u", "Arn": "arn:aws:iam::123456789012:user/u"}


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("CDK_DOCKER", str(write_builder(tmp_path / "programs", "podman")))


@pytest.fixture
def dev() -> StageSettings:
    return load_stage_settings("dev", ROOT / "config")


@contextmanager
def session(
    *,
    bootstrapped: bool,
    served: str | None = None,
    instances: float = 6,
    remaining_packages: int | None = None,
    jobs: float = 1,
    name: str = "whippet-dev",
) -> Iterator[Any]:
    with ExitStack() as stack:
        stubbed = StubbedSession(stack)
        stubbed.stubs["sts"].add_response("get_caller_identity", IDENTITY)
        if bootstrapped:
            response = {"Parameter": {"Name": "n", "Value": "30"}}
            stubbed.stubs["ssm"].add_response("get_parameter", response)
        else:
            stubbed.stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
        add_endpoint(stubbed.stubs["sagemaker"], served)
        add_group(stubbed, remaining_packages, name)
        add_quota(stubbed, INSTANCES, instances, training=jobs)
        yield stubbed


def add_endpoint(sagemaker: Stubber, instance_type: str | None) -> None:
    if instance_type is None:
        sagemaker.add_client_error(
            "describe_endpoint", "ValidationException", 'Could not find endpoint "arn".'
        )
        return
    common = {"CreationTime": 0, "EndpointConfigName": "c"}
    endpoint = {"EndpointName": "whippet-dev", "EndpointArn": "arn:aws:sagemaker:::endpoint/a"}
    state = {"EndpointStatus": "InService", "LastModifiedTime": 0}
    sagemaker.add_response("describe_endpoint", common | endpoint | state)
    if instance_type == CONFIGURATION_DELETED:
        sagemaker.add_client_error(
            "describe_endpoint_config", "ValidationException", 'Could not find endpoint conf "c".'
        )
        return
    variant = {"VariantName": "primary", "ModelName": "m", "InstanceType": instance_type}
    arn = {"EndpointConfigArn": "arn:aws:sagemaker:::endpoint-config/a"}
    sagemaker.add_response(
        "describe_endpoint_config", common | arn | {"ProductionVariants": [variant]}
    )


def add_group(session: StubbedSession, packages: int | None, name: str) -> None:
    """Stub the group of another stage, and that of the stage if it has remained."""
    names = [f"{name}2"] if packages is None else [f"{name}2", name]
    common = {"CreationTime": 0, "ModelPackageGroupStatus": "Completed"}
    arn = {"ModelPackageGroupArn": "arn:aws:sagemaker:::model-package-group/a"}
    groups = [common | arn | {"ModelPackageGroupName": name} for name in names]
    sagemaker = session.stubs["sagemaker"]
    sagemaker.add_response(
        "list_model_package_groups",
        {"ModelPackageGroupSummaryList": groups},
        {"NameContains": name},
    )
    if packages is None:
        return
    session.stubs["cloudformation"].add_client_error(
        "describe_stack_resource",
        "ValidationError",
        f"Stack '{name}-storage' does not exist",
        expected_params={
            "StackName": f"{name}-storage",
            "LogicalResourceId": "ModelPackageGroup",
        },
    )
    package = {"ModelPackageArn": "arn:aws:sagemaker:::model-package/a/1", "CreationTime": 0}
    summary = package | {"ModelPackageStatus": "Completed"}
    sagemaker.add_response(
        "list_model_packages",
        {"ModelPackageSummaryList": [summary] * packages},
        {"ModelPackageGroupName": name},
    )


def test_a_machine_with_everything_passes_the_checks(dev: StageSettings) -> None:
    with session(bootstrapped=True) as ready:
        assert check_account(dev, ready, None) == ("123456789012", "eu-west-1")


def test_an_endpoint_on_the_same_instance_type_is_updated(dev: StageSettings) -> None:
    with session(bootstrapped=True, served=dev.serving.instance_type) as ready:
        check_account(dev, ready, None)


def test_a_serverless_stage_needs_no_instances_and_changes_no_type(dev: StageSettings) -> None:
    serverless = with_changes(dev, serving=with_changes(dev.serving, mode="serverless"))
    with ExitStack() as stack:
        ready: Any = StubbedSession(stack)
        ready.stubs["sts"].add_response("get_caller_identity", IDENTITY)
        found = {"Parameter": {"Name": "n", "Value": "30"}}
        ready.stubs["ssm"].add_response("get_parameter", found)
        add_group(ready, None, "whippet-dev")
        add_quota(ready, INSTANCES, 0, all_instances=0, training=1)
        assert check_account(serverless, ready, None) == ("123456789012", "eu-west-1")


def add_scaling(session: StubbedSession, *, registered: bool) -> None:
    resource = "endpoint/whippet-dev/variant/primary"
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 1,
        "MaxCapacity": 3,
        "RoleARN": "arn:aws:iam::123456789012:role/scaling",
        "CreationTime": 0,
    }
    session.stubs["application-autoscaling"].add_response(
        "describe_scalable_targets",
        {"ScalableTargets": [target] if registered else []},
        {"ServiceNamespace": "sagemaker", "ResourceIds": [resource]},
    )


def test_another_instance_type_of_a_fleet_that_scales_is_told_before_it_fails_halfway(
    dev: StageSettings,
) -> None:
    with session(bootstrapped=True, served="ml.c4.8xlarge") as other:
        add_scaling(other, registered=True)
        with pytest.raises(ToolError) as told:
            check_account(dev, other, None)
    text = str(told.value)
    assert "whippet-dev runs on ml.c4.8xlarge" in text
    first, then = (
        text.index(f'with instance_type = "{kind}"')
        for kind in ("ml.c4.8xlarge", dev.serving.instance_type)
    )
    assert first < text.index("max_instance_count equal to min_instance_count") < then


def test_a_fixed_fleet_takes_another_instance_type(dev: StageSettings) -> None:
    with session(bootstrapped=True, served="ml.c4.8xlarge") as other:
        add_scaling(other, registered=False)
        assert check_account(dev, other, None) == ("123456789012", "eu-west-1")
        other.stubs["application-autoscaling"].assert_no_pending_responses()


def add_running(session: StubbedSession, instances: int | None) -> None:
    """Stub how many instances an endpoint runs, after the check of its instance type."""
    described = {
        "EndpointName": "whippet-dev", "EndpointArn": "arn:aws:sagemaker:::endpoint/a",
        "EndpointConfigName": "c", "EndpointStatus": "InService",
        "CreationTime": 0, "LastModifiedTime": 0,
        "ProductionVariants": [{"VariantName": "primary", "CurrentInstanceCount": instances}],
    }  # fmt: skip
    if instances is None:
        add_endpoint(session.stubs["sagemaker"], None)
    else:
        session.stubs["sagemaker"].add_response("describe_endpoint", described)


def in_steps(dev: StageSettings, least: int, most: int, **changes: Any) -> StageSettings:
    bounds = {"min_instance_count": least, "max_instance_count": most}
    return with_changes(dev, serving=with_changes(dev.serving, **bounds, **changes))


@contextmanager
def running(dev: StageSettings, instances: int | None) -> Iterator[Any]:
    """An account whose endpoint is checked before the group of model packages."""
    served = None if instances is None else dev.serving.instance_type
    with ExitStack() as stack:
        stubbed = StubbedSession(stack)
        stubbed.stubs["sts"].add_response("get_caller_identity", IDENTITY)
        response = {"Parameter": {"Name": "n", "Value": "30"}}
        stubbed.stubs["ssm"].add_response("get_parameter", response)
        add_endpoint(stubbed.stubs["sagemaker"], served)
        add_running(stubbed, instances)
        add_group(stubbed, None, "whippet-dev")
        add_quota(stubbed, INSTANCES, 20)
        yield stubbed


@pytest.mark.parametrize(
    ("rollout", "running_now", "step"),
    [
        ({"rollout": "canary"}, 1, "rollout_canary_percent = 10: of 1 these are 1"),
        (
            {"rollout": "linear", "rollout_linear_step_percent": 34}, 3,
            "rollout_linear_step_percent = 34: of 3 these are 2",
        ),
    ],
)  # fmt: skip
def test_a_step_of_more_than_half_of_what_runs_is_told_before_it_fails_halfway(
    dev: StageSettings, rollout: dict[str, Any], running_now: int, step: str
) -> None:
    with running(dev, running_now) as account, pytest.raises(ToolError) as told:
        check_account(in_steps(dev, 4, 6, **rollout), account, None)
    text = str(told.value)
    assert step in text
    assert text.index('first with rollout = "all_at_once"') < text.index("then with rollout = ")


@pytest.mark.parametrize("running_now", [2, 10, None])
def test_a_step_of_at_most_half_of_what_runs_is_accepted(
    dev: StageSettings, running_now: int | None
) -> None:
    with running(dev, running_now) as account:
        check_account(in_steps(dev, 2, 3, rollout="canary"), account, None)
        account.stubs["sagemaker"].assert_no_pending_responses()


def test_a_fixed_fleet_is_replaced_by_one_of_the_new_size(dev: StageSettings) -> None:
    with session(bootstrapped=True, served=dev.serving.instance_type) as account:
        check_account(in_steps(dev, 2, 2, rollout="canary"), account, None)


@pytest.mark.parametrize("packages", [0, 3])
def test_a_model_package_group_that_remained_is_told_with_what_to_do(
    dev: StageSettings, packages: int
) -> None:
    with (
        session(bootstrapped=True, remaining_packages=packages) as blocked,
        pytest.raises(ToolError) as told,
    ):
        check_account(dev, blocked, None)
    text = str(told.value)
    assert "The model package group whippet-dev remained" in text
    assert f"with {packages} model packages, and its name is in use" in text
    assert "`.venv/bin/python -m tools.deployment.import_model_packages --stage dev`" in text
    assert "delete-model-package-group --model-package-group-name whippet-dev`" in text


def test_an_endpoint_whose_configuration_was_deleted_is_of_an_unknown_type(
    dev: StageSettings,
) -> None:
    with session(bootstrapped=True, served=CONFIGURATION_DELETED) as ready:
        assert check_account(dev, ready, None) == ("123456789012", "eu-west-1")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_demo_is_refused_before_the_account_is_reached(stage: str, tmp_path: Path) -> None:
    demo = load_model_artifact(write_model(tmp_path, training_data={"demo": True}))
    settings = load_stage_settings(stage, ROOT / "config")
    # Without region or credentials: any call would end in another message.
    with pytest.raises(ToolError, match=f"is the demo .* the stage {stage} must not serve"):
        check_account(settings, boto3.session.Session(), demo)


def test_a_model_of_ones_own_is_not_refused(dev: StageSettings, tmp_path: Path) -> None:
    own = load_model_artifact(write_model(tmp_path, name="digits-resnet"))
    with session(bootstrapped=True) as ready:
        assert check_account(dev, ready, own) == ("123456789012", "eu-west-1")


def test_no_region(dev: StageSettings) -> None:
    with pytest.raises(ToolError, match="No AWS region: set AWS_REGION"):
        check_account(dev, boto3.session.Session(), None)


def test_credentials_of_another_account(dev: StageSettings) -> None:
    pinned = with_changes(dev, account="210987654321", region="eu-west-1")
    with (
        session(bootstrapped=True) as other,
        pytest.raises(ToolError, match="sets the account 210987654321; your credentials belong to"),
    ):
        check_account(pinned, other, None)


def test_no_credentials(dev: StageSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(ToolError, match="No AWS credentials: sign in"):
        check_account(dev, boto3.session.Session(), None)


def test_all_that_is_missing_is_told_at_once(
    dev: StageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDK_DOCKER", "a-builder-that-is-not-installed")
    with session(bootstrapped=False, instances=1) as bare, pytest.raises(ToolError) as told:
        check_account(dev, bare, None)
    text = str(told.value)
    assert "make bootstrap STAGE=dev" in text
    assert "CDK_DOCKER is 'a-builder-that-is-not-installed'" in text
    assert "quota 'ml.m5.large for endpoint usage' is 1 and the stage dev needs 6" in text


@pytest.mark.parametrize("email", ["ops@example.com", "none"])
def test_a_protected_stage_names_who_receives_its_alarms(dev: StageSettings, email: str) -> None:
    protected = with_changes(dev, termination_protection=True)
    with session(bootstrapped=True) as ready, pytest.raises(ToolError) as told:
        check_account(protected, ready, None)
    text = str(told.value)
    assert "Nobody receives the alarms" in text
    assert 'write alarm_email = "<address>" under [monitoring] in config/dev.toml' in text
    assert 'alarm_email = "none"' in text
    monitoring = with_changes(dev.monitoring, alarm_email=email)
    with session(bootstrapped=True) as ready:
        check_account(with_changes(protected, monitoring=monitoring), ready, None)


def test_a_prebuilt_image_needs_no_builder_but_must_be_there(
    dev: StageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDK_DOCKER", "a-builder-that-is-not-installed")
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/whippet:1"
    prebuilt = with_changes(dev, serving=with_changes(dev.serving, image_uri=image))
    with session(bootstrapped=True) as ready:
        ready.stubs["ecr"].add_response("describe_images", {"imageDetails": [{}]})
        assert check_account(prebuilt, ready, None) == ("123456789012", "eu-west-1")
    with session(bootstrapped=True) as empty:
        empty.stubs["ecr"].add_client_error("describe_images", "ImageNotFoundException")
        with pytest.raises(ToolError, match=r"has no such image: serving\.image_uri = "):
            check_account(prebuilt, empty, None)


@contextmanager
def new_account(
    *, role: str | None, concurrency: int, instances: int, jobs: int, bootstrapped: bool
) -> Iterator[Any]:
    """An account without a stage; with few settings, one as AWS gives it first."""
    with session(
        bootstrapped=bootstrapped, instances=instances, jobs=jobs, name="whippet-prod"
    ) as stubbed:
        described = {"cloudwatchRoleArn": role} if role else {}
        stubbed.stubs["apigateway"].add_response("get_account", described)
        limits = {
            "ConcurrentExecutions": concurrency,
            "UnreservedConcurrentExecutions": concurrency,
        }
        stubbed.stubs["lambda"].add_response("get_account_settings", {"AccountLimit": limits})
        stubbed.stubs["cloudformation"].add_client_error(
            "list_stack_resources",
            "ValidationError",
            "Stack with id whippet-prod-api does not exist",
        )
        yield stubbed


def test_prod_in_a_new_account_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Everything is told at once, and prod.toml is deployed as it is once all of it is done."""
    prod = load_stage_settings("prod", ROOT / "config")
    builder = os.environ["CDK_DOCKER"]
    monkeypatch.setenv("CDK_DOCKER", "a-builder-that-is-not-installed")
    with (
        new_account(
            role=None, concurrency=10, instances=0, jobs=0, bootstrapped=False
        ) as given_first,
        pytest.raises(ToolError) as told,
    ):
        check_account(prod, given_first, None)
    heading, *problems = str(told.value).splitlines()
    assert heading == "The stage prod cannot be deployed yet:"
    expected = (
        "make bootstrap STAGE=prod",
        "API Gateway has no logging role",
        "CDK_DOCKER is 'a-builder-that-is-not-installed'",
        f"'{INSTANCES}' is 0 and the stage prod needs 6",
        "10 must stay unreserved, 0 are left, and the stage prod needs 3. Request at least 103",
    )
    for problem, text in zip(problems, expected, strict=True):
        assert problem.startswith("  - ")
        assert text in problem
    note = capfd.readouterr().out
    assert note.startswith("Note: SageMaker's quota 'ml.m5.2xlarge for training job usage' is 0")
    assert "a deployment needs none" in note

    monkeypatch.setenv("CDK_DOCKER", builder)
    role = "arn:aws:iam::123456789012:role/api-gateway-logs"
    with new_account(
        role=role, concurrency=103, instances=6, jobs=1, bootstrapped=True
    ) as prepared:
        add_endpoint(prepared.stubs["sagemaker"], None)  # to what is printed as served now
        add_endpoint(prepared.stubs["sagemaker"], None)  # nor is there one of another mode
        prepared.stubs["cloudformation"].add_client_error(
            "describe_stacks",
            "ValidationError",
            "Stack with id whippet-prod-serving does not exist",
        )
        prepared.stubs["logs"].add_response("describe_log_groups", {"logGroups": []})
        cli = "print('The CLI deploys.'); raise SystemExit(7)"
        model = write_model(tmp_path)
        assert deploy(monkeypatch, model, prepared, stage="prod", cli=cli) == 7
    printed = capfd.readouterr().out
    assert "Deploying whippet-prod to the account 123456789012 in eu-west-1." in printed
    assert printed.endswith("The CLI deploys.\n")
    assert "Note" not in printed


def test_a_check_that_is_not_permitted_hides_no_other(dev: StageSettings) -> None:
    own_role = with_changes(dev, api=with_changes(dev.api, manage_account_logging_role=False))
    with session(bootstrapped=False, instances=1) as bare:
        bare.stubs["apigateway"].add_client_error(
            "get_account", "AccessDeniedException", "not authorized to perform: apigateway:GET"
        )
        with pytest.raises(ToolError) as told:
            check_account(own_role, bare, None)
    _, bootstrap, role, quota = str(told.value).splitlines()
    assert "make bootstrap STAGE=dev" in bootstrap
    assert "Your credentials may not check this" in role
    assert "apigateway:GET" in role
    assert "is 1 and the stage dev needs 6" in quota


def test_an_error_of_aws_itself_is_no_finding(dev: StageSettings) -> None:
    with ExitStack() as stack:
        stubbed: Any = StubbedSession(stack)
        stubbed.stubs["sts"].add_response("get_caller_identity", IDENTITY)
        stubbed.stubs["ssm"].add_client_error("get_parameter", "ThrottlingException", "slow down")
        with pytest.raises(ClientError, match="slow down"):
            check_account(dev, stubbed, None)
