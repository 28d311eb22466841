"""The pipeline: the order of its actions, their roles, and its notifications."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Stack, Stage, Validations
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from stacks.application import add_stacks, synthesize
from stacks.errors import CheckError
from stacks.inputs import Inputs
from stacks.serving_stack import ServingStack
from tests.changed_settings import with_changes
from tests.stacks.assembly import PURPOSES, REPOSITORY, Json, flatten, new_app, statements_of
from tests.stacks.assembly import synthesize as synthesize_stage
from tests.stacks.delivery_pipeline import (
    ACCOUNT,
    CONNECTION,
    REGION,
    SHA256,
    STAGE_ACCOUNTS,
    PipelineAssembly,
    add_pipeline,
    locked,
    pipeline_settings,
    stage_settings,
    synthesize_pipeline,
)
from tests.stacks.nag import MODULE, Recorder, findings
from tests.stacks.test_synthesis import contents

PACKAGE = json.loads((REPOSITORY / "package.json").read_text())


def position(pipeline: PipelineAssembly, stage: str, action: str) -> int:
    order: int = pipeline.action(stage, action)["RunOrder"]
    return order


@pytest.mark.parametrize("stage", STAGE_ACCOUNTS)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_stage_is_deployed_with_the_templates_of_make_deploy(
    pipeline: PipelineAssembly,
    stage: str,
    purpose: str,
    from_a_laptop: dict[str, dict[str, Json]],
) -> None:
    """Names, logical ids and all else: a stage of a laptop can be handed over."""
    manifest = json.loads((pipeline.directory / f"assembly-{stage}" / "manifest.json").read_text())
    (properties,) = (
        artifact["properties"]
        for artifact in manifest["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
        and artifact["properties"]["stackName"] == f"whippet-{stage}-{purpose}"
    )
    path = pipeline.directory / f"assembly-{stage}" / properties["templateFile"]
    assert json.loads(path.read_text()) == from_a_laptop[stage][purpose]


@pytest.fixture(scope="module")
def from_a_laptop(
    inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Json]]:
    """The templates of each stage, synthesized without a pipeline."""
    return {
        stage: synthesize_stage(
            stage_settings(stage),
            locked(inputs, pipeline_settings()),
            tmp_path_factory.mktemp(f"laptop-{stage}"),
        ).templates()
        for stage in STAGE_ACCOUNTS
    }


def test_the_stages_follow_each_other(pipeline: PipelineAssembly) -> None:
    stages = pipeline.resource("AWS::CodePipeline::Pipeline").properties["Stages"]
    names = [stage["Name"] for stage in stages]
    assert names == ["Source", "Build", "UpdatePipeline", "Assets", "dev", "prod"]


@pytest.mark.parametrize("stage", STAGE_ACCOUNTS)
def test_the_model_is_copied_between_the_bucket_and_the_endpoint(
    pipeline: PipelineAssembly, stage: str
) -> None:
    name = f"whippet-{stage}"
    copied = position(pipeline, stage, f"{name}-serving.CopyModel")
    assert position(pipeline, stage, f"{name}-storage.Deploy") < copied
    assert copied < position(pipeline, stage, f"{name}-serving.Prepare")


@pytest.mark.parametrize("stage", STAGE_ACCOUNTS)
def test_the_deployment_is_checked_last(pipeline: PipelineAssembly, stage: str) -> None:
    others = [each for each in pipeline.actions(stage) if each["Name"] != "CheckDeployment"]
    last = max(each["RunOrder"] for each in others)
    assert position(pipeline, stage, "CheckDeployment") > last


def test_the_tests_run_once_before_the_first_stage(pipeline: PipelineAssembly) -> None:
    order = position(pipeline, "dev", "Test")
    assert order < min(
        each["RunOrder"] for each in pipeline.actions("dev") if each["Name"] != "Test"
    )
    assert "Test" not in [each["Name"] for each in pipeline.actions("prod")]
    tool = ".venv/bin/python -m tools.delivery.changed"
    record = '--record "s3://$REVIEWS_BUCKET/tested/commit"'
    assert pipeline.commands("dev", "Test") == ["make .venv", f"{tool} {record} -- make test"]


def test_only_a_protected_stage_is_approved_after_a_review(pipeline: PipelineAssembly) -> None:
    assert not [each for each in pipeline.actions("dev") if "Approv" in each["Name"]]
    review, approve, *others = pipeline.actions("prod")
    assert (review["Name"], approve["Name"]) == ("Review", "Approve")
    assert review["RunOrder"] < approve["RunOrder"] < min(each["RunOrder"] for each in others)


def test_the_approval_links_to_the_review_of_this_execution(pipeline: PipelineAssembly) -> None:
    link = flatten(pipeline.action("prod", "Approve")["Configuration"]["ExternalEntityLink"])
    execution = "#{codepipeline.PipelineExecutionId}"
    (bucket,) = (
        name for name in pipeline.resources("AWS::S3::Bucket") if name.startswith("StoreReviews")
    )
    assert link == (
        f"https://{REGION}.console.aws.amazon.com/s3/buckets/<{bucket}>?region={REGION}"
        f"&prefix=reviews/{execution}/prod/"
    )
    variables = json.loads(
        pipeline.action("prod", "Review")["Configuration"]["EnvironmentVariables"]
    )
    assert [(each["name"], each["value"]) for each in variables] == [("EXECUTION_ID", execution)]
    project = pipeline.project("prod", "Review").properties["Environment"]
    assert project["EnvironmentVariables"] == [
        {"Name": "REVIEWS_BUCKET", "Type": "PLAINTEXT", "Value": {"Ref": bucket}}
    ]
    assert pipeline.commands("prod", "Review")[-1].endswith(
        '--to "s3://$REVIEWS_BUCKET/reviews/$EXECUTION_ID/prod"'
    )


@pytest.mark.parametrize(
    ("stage", "action", "tool", "role"),
    [
        ("dev", "whippet-dev-serving.CopyModel", "copy_model", "copy-model"),
        ("dev", "CheckDeployment", "check_deployment", "check-deployment"),
        ("prod", "whippet-prod-serving.CopyModel", "copy_model", "copy-model"),
        ("prod", "CheckDeployment", "check_deployment", "check-deployment"),
        ("prod", "Review", "review", "read-templates"),
    ],
)
def test_a_step_assumes_the_role_of_its_stage(
    pipeline: PipelineAssembly, stage: str, action: str, tool: str, role: str
) -> None:
    arn = f"arn:aws:iam::{STAGE_ACCOUNTS[stage]}:role/whippet-{stage}-{role}"
    command = pipeline.commands(stage, action)[-1]
    expected = f".venv/bin/python -m tools.delivery.{tool} --stage {stage} --role-arn {arn}"
    assert f"{command} ".startswith(f"{expected} ")
    # The stage's template has that role, and it trusts the role of this project alone.
    project_role = pipeline.resources("AWS::IAM::Role")[
        pipeline.project(stage, action).properties["ServiceRole"]["Fn::GetAtt"][0]
    ]
    assert project_role.properties["RoleName"] == f"whippet-pipeline-{stage}"
    templates = (pipeline.directory / f"assembly-{stage}").glob("*.template.json")
    (trusted,) = (
        resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        for template in templates
        for resource in json.loads(template.read_text())["Resources"].values()
        if resource.get("Properties", {}).get("RoleName") == arn.rpartition("/")[2]
    )
    (statement,) = trusted
    assert flatten(statement["Principal"]["AWS"]) == f"arn:aws:iam::{ACCOUNT}:root"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/whippet-pipeline-{stage}"}
    }


def test_the_review_may_read_templates_of_its_stage_and_nothing_else(
    from_a_laptop: dict[str, dict[str, Json]],
) -> None:
    resources = from_a_laptop["prod"]["storage"]["Resources"]
    (role,) = (
        name
        for name, resource in resources.items()
        if resource.get("Properties", {}).get("RoleName") == "whippet-prod-read-templates"
    )
    attached = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in resources.values()
        if {"Ref": role} in resource.get("Properties", {}).get("Roles", [])
    ]
    account = STAGE_ACCOUNTS["prod"]
    assert attached == [
        [
            {
                "Action": "cloudformation:GetTemplate",
                "Effect": "Allow",
                "Resource": f"arn:aws:cloudformation:{REGION}:{account}:stack/whippet-prod-*/*",
            }
        ]
    ]
    assert "ManagedPolicyArns" not in resources[role]["Properties"]


def test_the_role_of_a_stage_reaches_nothing_of_another(pipeline: PipelineAssembly) -> None:
    (policy,) = (
        each
        for name, each in pipeline.resources("AWS::IAM::Policy").items()
        if name.startswith("StepsDev")
    )
    text = json.dumps(policy.properties)
    assert "whippet-dev-copy-model" in text
    assert "prod" not in text
    assert "read-templates" not in text  # without an approval there is no review
    assert "StoreReviews" not in text
    assumed = [
        statement for statement in statements_of(policy) if "sts:AssumeRole" in statement["Action"]
    ]
    assert [statement["Resource"] for statement in assumed] == [
        [
            f"arn:aws:iam::{ACCOUNT}:role/whippet-dev-check-deployment",
            f"arn:aws:iam::{ACCOUNT}:role/whippet-dev-copy-model",
        ]
    ]


@pytest.mark.parametrize("account", STAGE_ACCOUNTS.values())
def test_the_account_of_a_stage_may_read_the_artifacts(
    pipeline: PipelineAssembly, account: str
) -> None:
    role = f":iam::{account}:role/cdk-hnb659fds-deploy-role-{account}-{REGION}"
    policies = [
        *pipeline.resources("AWS::S3::BucketPolicy").values(),
        *pipeline.resources("AWS::KMS::Key").values(),
    ]
    allowed = {
        action
        for policy in policies
        for statement in statements_of(policy)
        if role in json.dumps(statement["Principal"])
        for action in statement["Action"]
    }
    assert {"s3:GetObject*", "kms:Decrypt"} <= allowed


def test_codebuild_assumes_roles_only_for_this_account(pipeline: PipelineAssembly) -> None:
    for name, role in pipeline.resources("AWS::IAM::Role").items():
        if name.startswith("Steps"):
            (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Principal"] == {"Service": "codebuild.amazonaws.com"}
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_all_roles_that_read_the_repository_may_use_the_connection(
    pipeline: PipelineAssembly,
) -> None:
    """The prefix of the action must match that of the ARN, which CDK does not know."""
    allowed = [
        name
        for name, policy in pipeline.resources("AWS::IAM::Policy").items()
        for statement in statements_of(policy)
        if "codeconnections:UseConnection" in statement["Action"]
        and statement["Resource"] == [CONNECTION]
    ]
    beginnings = ("StepsSynth", "StepsTest", "StepsDev", "StepsProd", "PipelineSource")
    assert len(allowed) == len(beginnings)
    assert all(any(name.startswith(each) for name in allowed) for each in beginnings)


def test_the_source_is_a_clone_with_history(pipeline: PipelineAssembly) -> None:
    (action,) = pipeline.actions("Source")
    configuration = action["Configuration"]
    assert configuration["FullRepositoryId"] == "example/classifier"
    assert configuration["BranchName"] == "main"
    assert configuration["OutputArtifactFormat"] == "CODEBUILD_CLONE_REF"


def test_every_project_has_pinned_tools_and_an_encrypted_log(pipeline: PipelineAssembly) -> None:
    projects = pipeline.resources("AWS::CodeBuild::Project")
    assert len(projects) == 10
    for project in projects.values():
        environment = project.properties["Environment"]
        assert environment["Image"] == "aws/codebuild/amazonlinux-x86_64-standard:6.0"
        install = pipeline.build_spec(project)["phases"]["install"]
        assert install["runtime-versions"] == {"nodejs": "24", "python": "3.13"}
        logs = project.properties["LogsConfig"]["CloudWatchLogs"]
        assert logs["GroupName"]["Ref"] in pipeline.resources("AWS::Logs::LogGroup")
    assert pipeline.commands("UpdatePipeline", "SelfMutate") == [
        f"npm install -g aws-cdk@{PACKAGE['devDependencies']['aws-cdk']}",
        "cdk -a . deploy whippet-pipeline --require-approval=never --verbose",
    ]
    for action in ("FileAssets", "DockerAssets"):
        assert pipeline.commands("Assets", action)[0] == (
            f"npm install -g cdk-assets@{PACKAGE['config']['cdk-assets']}"
        )


def test_only_the_project_that_builds_the_image_has_docker(pipeline: PipelineAssembly) -> None:
    privileged = [
        name
        for name, project in pipeline.resources("AWS::CodeBuild::Project").items()
        if project.properties["Environment"]["PrivilegedMode"]
    ]
    assert privileged == [pipeline.project("Assets", "DockerAssets").logical_id]


def test_the_model_is_no_asset(pipeline: PipelineAssembly) -> None:
    """CDK Pipelines passes the whole assembly to every action, at most 256 MB."""
    files = [path for path in pipeline.directory.rglob("*") if path.is_file()]
    assert not [path for path in files if SHA256 in path.name]
    assert sum(path.stat().st_size for path in files) < 20 * 10**6


def test_failures_and_waiting_approvals_are_sent(pipeline: PipelineAssembly) -> None:
    rule = pipeline.resource("AWS::CodeStarNotifications::NotificationRule").properties
    assert rule["EventTypeIds"] == [
        "codepipeline-pipeline-pipeline-execution-failed",
        "codepipeline-pipeline-manual-approval-needed",
    ]
    topic = pipeline.resource("AWS::SNS::Topic")
    assert rule["Targets"] == [{"TargetAddress": {"Ref": topic.logical_id}, "TargetType": "SNS"}]
    policy = pipeline.resource("AWS::SNS::TopicPolicy")
    sender = {"Service": "codestar-notifications.amazonaws.com"}
    assert [
        statement["Action"]
        for statement in statements_of(policy)
        if statement["Principal"] == sender
    ] == [["sns:Publish"]]
    key = pipeline.resources("AWS::KMS::Key")[topic.properties["KmsMasterKeyId"]["Fn::GetAtt"][0]]
    (allowed,) = (each for each in statements_of(key) if each["Principal"] == sender)
    assert allowed["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    subscription = pipeline.resource("AWS::SNS::Subscription").properties
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "team@example.com")


def test_the_stack_is_protected_and_states_where_it_is(pipeline: PipelineAssembly) -> None:
    manifest = json.loads((pipeline.directory / "manifest.json").read_text())
    stack = manifest["artifacts"]["whippet-pipeline"]
    assert stack["environment"] == f"aws://{ACCOUNT}/{REGION}"
    assert stack["properties"]["terminationProtection"] is True


@pytest.fixture(scope="module")
def elsewhere(
    inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PipelineAssembly, list[tuple[str, str]], Recorder]:
    """One stage in another region, a connection of the old name, no address, every approval.

    Acknowledgements are recorded and have no effect.
    """
    directory = tmp_path_factory.mktemp("elsewhere")
    settings = pipeline_settings(
        stages=["dev"],
        approval_before=["dev"],
        connection_arn=CONNECTION.replace("codeconnections", "codestar-connections"),
        branch="release",
    )
    recorder = Recorder()
    app = new_app(directory)

    def add_careless_stacks(stage: Stage, **options: Any) -> ServingStack:
        s3.Bucket(Stack(stage, "careless"), "Bucket")
        return add_stacks(stage, **options)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(MODULE, recorder)
        monkeypatch.setattr("stacks.pipeline_stack.add_stacks", add_careless_stacks)
        add_pipeline(app, inputs, settings, stage_settings("dev", region="eu-west-1"))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(CheckError, match="AwsSolutions-S1"):
        synthesize(app)
    return PipelineAssembly(directory), findings(directory), recorder


def test_each_finding_is_acknowledged_by_itself_and_nothing_else_is(
    elsewhere: tuple[PipelineAssembly, list[tuple[str, str]], Recorder],
) -> None:
    _, found, recorder = elsewhere
    inside = [(rule, where) for rule, where in found if not where.startswith("dev/careless/")]
    assert len(inside) > 50
    recorder.check(inside)


def test_a_finding_inside_a_stage_fails_the_synthesis(
    elsewhere: tuple[PipelineAssembly, list[tuple[str, str]], Recorder],
) -> None:
    _, found, recorder = elsewhere
    careless = {rule for rule, where in found if where.startswith("dev/careless/")}
    assert careless == {"AwsSolutions-S1", "AwsSolutions-S10"}
    assert not [path for _, path in recorder.acknowledged if path == ""]


def test_other_settings(
    elsewhere: tuple[PipelineAssembly, list[tuple[str, str]], Recorder],
) -> None:
    pipeline, _, _ = elsewhere
    names = [each["Name"] for each in pipeline.actions("dev")]
    assert names[:3] == ["Test", "Review", "Approve"]  # a person approves what was tested
    assert [position(pipeline, "dev", name) for name in names[:3]] == [1, 2, 3]
    (source,) = pipeline.actions("Source")
    assert source["Configuration"]["BranchName"] == "release"
    assert "codeconnections:" not in json.dumps(pipeline.template)
    assert pipeline.resources("AWS::SNS::Subscription") == {}
    assert {each.get("Region") for each in pipeline.actions("dev")} == {None, "eu-west-1"}


def synthesize_prebuilt(inputs: Inputs, directory: Path) -> PipelineAssembly:
    """Synthesize a stage whose image is in ECR."""
    uri = f"210987654321.dkr.ecr.{REGION}.amazonaws.com/team/whippet:1.4.0"
    dev = stage_settings("dev")
    prebuilt = with_changes(dev, serving=with_changes(dev.serving, image_uri=uri))
    return synthesize_pipeline(inputs, directory, pipeline_settings(stages=["dev"]), prebuilt)


def test_an_image_in_ecr_needs_no_docker(inputs: Inputs, tmp_path: Path) -> None:
    pipeline = synthesize_prebuilt(inputs, tmp_path / "first")
    assert [each["Name"] for each in pipeline.actions("Assets")] == ["FileAssets"]
    assert not [
        name
        for name, project in pipeline.resources("AWS::CodeBuild::Project").items()
        if project.properties["Environment"]["PrivilegedMode"]
    ]
    # Synthesis is pure, too.
    first = contents(pipeline.directory)
    second = contents(synthesize_prebuilt(inputs, tmp_path / "second").directory)
    assert set(first) == set(second)
    assert {name for name in first if first[name] != second[name]} == set()
