"""The templates of stages whose model a lock names."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from stacks.application import add_stacks
from stacks.components.serving.model_choice import choose_model
from stacks.errors import SettingsError
from stacks.inputs import Inputs
from stacks.settings.delivery import DeliverySettings, GithubSettings, PipelineSettings
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import CONFIG, FEATURE_FLAGS, Assembly, synthesize
from tests.stacks.fake_inputs import write_model
from tests.stacks.locks import SOURCE_BUCKET, write_lock

ACCOUNT, REGION, PIPELINE_ACCOUNT = "111122223333", "eu-central-1", "999988887777"
PIPELINE = PipelineSettings(
    account=PIPELINE_ACCOUNT,
    region=REGION,
    connection_arn=f"arn:aws:codeconnections:{REGION}:{PIPELINE_ACCOUNT}:connection/0a1b2c3d",
    repository="team/whippet",
    stages=("prod",),
)
GITHUB = GithubSettings(
    owner="team", repository="whippet", owner_id="1", repository_id="2", stages=("prod",)
)
READER = f"arn:aws:iam::{PIPELINE_ACCOUNT}:role/whippet-other-copy-model"


@pytest.fixture(scope="module")
def locked_inputs(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    repository = tmp_path_factory.mktemp("clone")
    write_lock(repository, "prod", write_model(repository / "model", name="flowers"))
    return dataclasses.replace(
        inputs,
        model=choose_model(repository, "prod", None),
        delivery=DeliverySettings(pipeline=PIPELINE, github=GITHUB),
    )


def settings_of(door: str) -> StageSettings:
    prod = load_stage_settings("prod", CONFIG)
    storage = with_changes(prod.storage, model_readers=(READER,))
    return with_changes(prod, delivery=door, account=ACCOUNT, region=REGION, storage=storage)


@pytest.fixture(scope="module")
def pipeline(locked_inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesize(settings_of("pipeline"), locked_inputs, tmp_path_factory.mktemp("locked"))


def test_the_model_is_in_the_bucket_of_models_and_no_asset(
    pipeline: Assembly, locked_inputs: Inputs
) -> None:
    (model,) = pipeline.resources("serving", "AWS::SageMaker::Model")
    url = json.dumps(model.properties["PrimaryContainer"]["ModelDataUrl"])
    assert "Fn::GetStackOutput" in url
    assert f"/serving/{locked_inputs.model.sha256}/model.tar.gz" in url
    archives = list(pipeline.directory.glob("asset.*.gz"))
    assert len(archives) == 1, "only the source of training jobs"


def test_the_endpoint_may_read_every_served_model(pipeline: Assembly) -> None:
    (policy,) = (
        each
        for each in pipeline.resources("storage", "AWS::IAM::ManagedPolicy")
        if each.logical_id.startswith("BucketsReadModels")
    )
    statements = policy.properties["PolicyDocument"]["Statement"]
    reading = [each for each in statements if each["Action"] == "s3:GetObject"]
    assert [each["Resource"]["Fn::Join"][1][-1] for each in reading] == ["/serving/*"]
    (role,) = (
        each
        for each in pipeline.resources("serving", "AWS::IAM::Role")
        if each.logical_id.startswith("ExecutionRole")
    )
    assert "BucketsReadModels" in json.dumps(role.properties["ManagedPolicyArns"])


def role_of(assembly: Assembly, purpose: str, name: str) -> tuple[dict[str, Any], list[Any]]:
    """Return a named role's trust statement and the statements of its policy."""
    (role,) = (
        each
        for each in assembly.resources(purpose, "AWS::IAM::Role")
        if each.properties.get("RoleName") == name
    )
    (policy,) = (
        each
        for each in assembly.resources(purpose, "AWS::IAM::Policy")
        if each.properties["Roles"] == [{"Ref": role.logical_id}]
    )
    (trust,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    return trust, policy.properties["PolicyDocument"]["Statement"]


def actions(statements: list[Any]) -> set[str]:
    listed = [each["Action"] for each in statements]
    return {action for each in listed for action in ([each] if isinstance(each, str) else each)}


@pytest.mark.parametrize(
    ("purpose", "name"),
    [("storage", "whippet-prod-copy-model"), ("api", "whippet-prod-check-deployment")],
)
def test_only_the_pipelines_role_of_the_stage_is_trusted(
    pipeline: Assembly, purpose: str, name: str
) -> None:
    trust, _ = role_of(pipeline, purpose, name)
    assert trust["Action"] == "sts:AssumeRole"
    assert f":iam::{PIPELINE_ACCOUNT}:root" in json.dumps(trust["Principal"])
    condition = json.dumps(trust["Condition"])
    assert f":iam::{PIPELINE_ACCOUNT}:role/whippet-pipeline-prod" in condition
    assert list(trust["Condition"]) == ["ArnEquals"]


def test_the_copying_role_reads_one_object_and_deletes_nothing(
    pipeline: Assembly, locked_inputs: Inputs
) -> None:
    _, statements = role_of(pipeline, "storage", "whippet-prod-copy-model")
    assert actions(statements) == {
        "s3:GetObject", "s3:PutObject", "s3:ListBucket", "kms:Decrypt", "kms:GenerateDataKey",
        "cloudformation:DescribeStacks",
    }  # fmt: skip
    key = f"serving/{locked_inputs.model.sha256}/model.tar.gz"
    source = json.dumps(statements)
    assert f":s3:::{SOURCE_BUCKET}/{key}" in source
    (wide,) = (each for each in statements if "key/*" in json.dumps(each["Resource"]))
    assert SOURCE_BUCKET in json.dumps(wide["Condition"])


def test_in_a_stage_without_a_key_the_copying_role_uses_only_that_of_the_source(
    locked_inputs: Inputs, tmp_path: Path
) -> None:
    settings = with_changes(settings_of("github"), encryption="aws")
    _, statements = role_of(
        synthesize(settings, locked_inputs, tmp_path), "storage", "whippet-prod-copy-model"
    )
    (wide,) = (each for each in statements if "kms:" in json.dumps(each["Action"]))
    assert wide["Action"] == "kms:Decrypt"
    assert "key/*" in json.dumps(wide["Resource"])


def test_the_checking_role_invokes_and_describes_only_this_stage(pipeline: Assembly) -> None:
    _, statements = role_of(pipeline, "api", "whippet-prod-check-deployment")
    assert actions(statements) == {
        "apigateway:GET", "lambda:InvokeFunction", "sagemaker:DescribeEndpoint",
        "ssm:GetParameter",
    }  # fmt: skip
    by_action = {each["Action"]: json.dumps(each["Resource"]) for each in statements}
    assert "/apikeys/" in by_action["apigateway:GET"]
    assert "endpoint/whippet-prod" in by_action["sagemaker:DescribeEndpoint"]
    assert "parameter/whippet/prod/api-url" in by_action["ssm:GetParameter"]


def test_a_reader_of_another_stage_is_named_by_the_bucket_and_its_key(pipeline: Assembly) -> None:
    named = "whippet-other-copy-model"
    (policy,) = (
        each
        for each in pipeline.resources("storage", "AWS::S3::BucketPolicy")
        if named in json.dumps(each.body)
    )
    (statement,) = (
        each
        for each in policy.properties["PolicyDocument"]["Statement"]
        if named in json.dumps(each)
    )
    assert (statement["Effect"], statement["Action"]) == ("Allow", "s3:GetObject")
    assert "/serving/*" in json.dumps(statement["Resource"])
    (key,) = pipeline.resources("storage", "AWS::KMS::Key")
    (decrypt,) = (
        each for each in key.properties["KeyPolicy"]["Statement"] if named in json.dumps(each)
    )
    assert decrypt["Action"] == "kms:Decrypt"


def test_the_role_of_a_workflow_is_in_the_stages_account(
    locked_inputs: Inputs, tmp_path: Path
) -> None:
    github = synthesize(settings_of("github"), locked_inputs, tmp_path)
    trust, _ = role_of(github, "storage", "whippet-prod-copy-model")
    assert f":iam::{ACCOUNT}:role/whippet-github-prod" in json.dumps(trust["Condition"])


def test_a_laptops_stage_has_no_such_roles(locked_inputs: Inputs, tmp_path: Path) -> None:
    laptop = synthesize(settings_of("laptop"), locked_inputs, tmp_path)
    for purpose in ("storage", "api"):
        for role in laptop.resources(purpose, "AWS::IAM::Role"):
            assert "RoleName" not in role.properties


@pytest.mark.parametrize("door", ["pipeline", "github"])
def test_a_stage_that_its_deliverer_does_not_list_is_refused(inputs: Inputs, door: str) -> None:
    app = App(context=FEATURE_FLAGS, analytics_reporting=False)
    with pytest.raises(SettingsError, match=rf"under \[{door}\] in config/delivery.toml"):
        add_stacks(app, settings=settings_of(door), inputs=inputs)


def test_values_are_published_for_other_stacks(pipeline: Assembly) -> None:
    names = {
        parameter.properties["Name"]
        for purpose in ("serving", "api", "web")
        for parameter in pipeline.resources(purpose, "AWS::SSM::Parameter")
    }
    assert names == {
        f"/whippet/prod/{name}"
        for name in (
            "endpoint-name", "model-version", "api-url", "api-key-id", "proxy-alias-arn",
            "page-url", "paused",
        )
    }  # fmt: skip


def test_naming_the_account_changes_the_function_with_its_version(
    locked_inputs: Inputs, tmp_path: Path
) -> None:
    # Lambda refuses a new version of a function that has not changed.
    named = settings_of("laptop")
    unnamed = with_changes(named, account=None, region=None)
    functions, versions = [], []
    for settings, folder in ((named, "named"), (unnamed, "unnamed")):
        assembly = synthesize(settings, locked_inputs, tmp_path / folder)
        (version,) = assembly.resources("api", "AWS::Lambda::Version")
        function = version.properties["FunctionName"]["Ref"]
        (found,) = (
            each
            for each in assembly.resources("api", "AWS::Lambda::Function")
            if each.logical_id == function
        )
        versions.append(version.logical_id)
        functions.append({**found.properties, "Code": None})
    assert versions[0] != versions[1]
    assert functions[0] != functions[1]
