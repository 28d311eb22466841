"""What IAM checks for a request to SageMaker: resources, the passed role, the approval status."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local.state_machines import StateMachines, allow, arn, machines, task

__all__ = ["machines"]

Client = Callable[[str], Any]
GROUP = "Machine-Test"
GROUP_ARN = arn("sagemaker", "model-package-group/machine-test")
VERSIONS = arn("sagemaker", "model-package/machine-test/*")
PACKAGE = {
    "ModelPackageGroupName": GROUP,
    "ModelApprovalStatus": "PendingManualApproval",
    "InferenceSpecification": {
        "Containers": [{"Image": "image", "ModelDataUrl": "s3://models/a/model.tar.gz"}],
        "SupportedContentTypes": ["image/jpeg"],
        "SupportedResponseMIMETypes": ["application/json"],
    },
    "CustomerMetadataProperties": {"test_split_sha256": "0f" * 32},
}
_jobs = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def group(client: Client) -> Iterator[None]:
    sagemaker = client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    yield
    listed = sagemaker.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
    for package in listed:
        sagemaker.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    sagemaker.delete_model_package_group(ModelPackageGroupName=GROUP)


def create_package(**members: Any) -> dict[str, Any]:
    return task("aws-sdk:sagemaker:createModelPackage", PACKAGE | members)


def may_create(status: str = "PendingManualApproval") -> list[dict[str, Any]]:
    condition = {"sagemaker:ModelApprovalStatus": status}
    return [
        allow("sagemaker:CreateModelPackage", resource, StringEquals=condition)
        for resource in (GROUP_ARN, VERSIONS)
    ]


def denial(execution: dict[str, Any], action: str, resource: str) -> None:
    """Check that an execution failed because the role may not do one thing with one resource."""
    session = r"User: arn:aws:sts::\d{12}:assumed-role/machine-test-\d+/\w+"
    assert execution["status"] == "FAILED"
    assert re.match(
        rf"{session} is not authorized to perform: {action} on resource: {re.escape(resource)} "
        rf"because no identity-based policy allows the {action} action \(Service: ",
        execution["cause"],
    ), execution["cause"]


def test_a_package_is_created_pending_but_not_approved(machines: StateMachines) -> None:
    created = machines.result(create_package(), *may_create())
    package = created["ModelPackageArn"]
    assert re.fullmatch(VERSIONS.replace("*", r"\d+"), package)
    described = machines.result(
        task("aws-sdk:sagemaker:describeModelPackage", {"ModelPackageName": package}),
        allow("sagemaker:DescribeModelPackage", package),
    )
    assert described["CustomerMetadataProperties"] == PACKAGE["CustomerMetadataProperties"]
    assert described["InferenceSpecification"]["SupportedResponseMIMETypes"] == ["application/json"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", described["CreationTime"])
    for refused in (
        create_package(ModelApprovalStatus="Approved"),
        # Without a status a package has none of the condition's.
        create_package() | {"Arguments": {k: v for k, v in PACKAGE.items() if "Approval" not in k}},
    ):
        execution = machines.run(refused, *may_create())
        assert execution["error"] == "SageMaker.SageMakerException"
        denial(execution, "sagemaker:CreateModelPackage", GROUP_ARN)


@pytest.mark.parametrize("missing", [GROUP_ARN, VERSIONS])
def test_a_package_needs_the_permission_on_its_group_and_on_its_versions(
    machines: StateMachines, missing: str
) -> None:
    given = [each for each in may_create() if each["Resource"] != missing]
    denial(machines.run(create_package(), *given), "sagemaker:CreateModelPackage", missing)


def test_only_the_approver_sets_approved(machines: StateMachines, client: Client) -> None:
    package = client("sagemaker").create_model_package(**PACKAGE)["ModelPackageArn"]
    arguments = {"ModelPackageArn": package, "ModelApprovalStatus": "Approved"}
    state = task("aws-sdk:sagemaker:updateModelPackage", arguments)
    action = "sagemaker:UpdateModelPackage"
    for status, is_allowed in (("PendingManualApproval", False), ("Approved", True)):
        condition = {"sagemaker:ModelApprovalStatus": status}
        execution = machines.run(state, allow(action, package, StringEquals=condition))
        if is_allowed:
            assert execution["status"] == "SUCCEEDED", execution
        else:
            denial(execution, action, package)


def test_packages_are_listed_with_a_permission_on_the_group(machines: StateMachines) -> None:
    state = task("aws-sdk:sagemaker:listModelPackages", {"ModelPackageGroupName": GROUP})
    action = "sagemaker:ListModelPackages"
    other = arn("sagemaker", "model-package-group/other")
    denial(machines.run(state, allow(action, other)), action, GROUP_ARN)
    result = machines.result(state, allow(action, GROUP_ARN))
    assert {each["ModelPackageGroupName"] for each in result["ModelPackageSummaryList"]} == {GROUP}


@pytest.fixture(scope="module", autouse=True)
def no_model_left(client: Client) -> Iterator[None]:
    yield
    for model in client("sagemaker").list_models()["Models"]:
        if model["ModelName"].startswith("Machine-Test-"):
            client("sagemaker").delete_model(ModelName=model["ModelName"])


def create_model(role: str) -> dict[str, Any]:
    name = f"Machine-Test-{next(_jobs)}"
    return task("sagemaker:createModel", {"ModelName": name, "ExecutionRoleArn": role})


def test_the_caller_must_be_allowed_to_pass_the_role(machines: StateMachines) -> None:
    passed = machines.role(trusts="sagemaker.amazonaws.com")
    create = allow("sagemaker:CreateModel", arn("sagemaker", "model/machine-test-*"))
    for service, is_allowed in (("lambda", False), ("sagemaker", True)):
        to = {"iam:PassedToService": f"{service}.amazonaws.com"}
        execution = machines.run(
            create_model(passed), create, allow("iam:PassRole", passed, StringEquals=to)
        )
        if is_allowed:
            result = json.loads(execution["output"])
            assert result["ModelArn"].lower().startswith(arn("sagemaker", "model/machine-test-"))
            assert result["SdkHttpMetadata"] == {"HttpStatusCode": 200}
        else:
            assert execution["error"] == "SageMaker.AmazonSageMakerException"
            assert "Status Code: 400; Error Code: AccessDeniedException" in execution["cause"]
            denial(execution, "iam:PassRole", passed)


def test_tags_of_a_new_resource_need_a_permission(machines: StateMachines) -> None:
    passed = machines.role(trusts="sagemaker.amazonaws.com")
    create = allow("sagemaker:CreateModel", arn("sagemaker", "model/machine-test-*"))
    to_pass = allow("iam:PassRole", passed)
    state = create_model(passed)
    state["Arguments"] |= {"Tags": [{"Key": "stage", "Value": "local"}]}
    model = arn("sagemaker", f"model/{state['Arguments']['ModelName'].lower()}")
    denial(machines.run(state, create, to_pass), "sagemaker:AddTags", model)
    result = machines.result(state, create, to_pass, allow("sagemaker:AddTags", model))
    assert result["ModelArn"].lower() == model


@pytest.mark.parametrize(
    ("operation", "arguments", "resource"),
    [
        ("describeTrainingJob", {"TrainingJobName": "A-job"}, "training-job/a-job"),
        ("stopTrainingJob", {"TrainingJobName": "A-job"}, "training-job/a-job"),
        (
            "describeHyperParameterTuningJob",
            {"HyperParameterTuningJobName": "A-tuning"},
            "hyper-parameter-tuning-job/a-tuning",
        ),
        (
            "listTrainingJobsForHyperParameterTuningJob",
            {"HyperParameterTuningJobName": "A-tuning"},
            "hyper-parameter-tuning-job/a-tuning",
        ),
        (
            "createTransformJob",
            {
                "TransformJobName": "A-transform",
                "ModelName": "a-model",
                "TransformInput": {
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/a"}
                    }
                },
                "TransformOutput": {"S3OutputPath": "s3://models/b"},
                "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            },
            "transform-job/a-transform",
        ),
        ("describeModelPackageGroup", {"ModelPackageGroupName": "A"}, "model-package-group/a"),
        ("deleteModelPackage", {"ModelPackageName": VERSIONS[:-1] + "7"}, "model-package/"),
    ],
)
def test_an_action_is_checked_against_what_it_names(
    machines: StateMachines, operation: str, arguments: dict[str, Any], resource: str
) -> None:
    execution = machines.run(task(f"aws-sdk:sagemaker:{operation}", arguments))
    expected = VERSIONS[:-1] + "7" if resource == "model-package/" else arn("sagemaker", resource)
    denial(execution, f"sagemaker:{operation[0].upper()}{operation[1:]}", expected)


def test_listing_all_jobs_is_checked_against_every_resource(machines: StateMachines) -> None:
    state = task("aws-sdk:sagemaker:listTrainingJobs", {})
    denial(machines.run(state), "sagemaker:ListTrainingJobs", "*")
    jobs = machines.result(state, allow("sagemaker:ListTrainingJobs", "*"))
    assert "TrainingJobSummaries" in jobs
