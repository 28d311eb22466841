"""Dependencies, names and permissions of all stacks."""

import json
import re

import pytest

from tests.stacks.assembly import PURPOSES, Assembly, walk
from tests.stacks.node_process import WRONG_ACCOUNT, WRONG_REGION

# Resource types with a set name, and the property; no other resource is named.
NAMED = {
    "AWS::SageMaker::Endpoint": "EndpointName",
    "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupName",
    "AWS::ApiGateway::RestApi": "Name",
}
NAME_PROPERTY = re.compile(
    r"(BucketName|TopicName|FunctionName|RoleName|ManagedPolicyName|LogGroupName|AlarmName"
    r"|DashboardName|StateMachineName|ModelName|EndpointConfigName|AliasName|UsagePlanName)"
)
OWN_NAME = {
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::Lambda::Function",
    "AWS::IAM::Role",
    "AWS::IAM::ManagedPolicy",
    "AWS::Logs::LogGroup",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::StepFunctions::StateMachine",
    "AWS::SageMaker::Model",
    "AWS::SageMaker::EndpointConfig",
    "AWS::ApiGateway::UsagePlan",
}
SAGEMAKER_LOG_GROUP = "/aws/sagemaker/Endpoints/"


def dependencies(assembly: Assembly, purpose: str) -> set[str]:
    prefix = f"{assembly.settings.name}-"
    found = assembly.manifest(purpose)["dependencies"]
    return {each.removeprefix(prefix) for each in found} & set(PURPOSES)


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [
        ("storage", set()),
        ("training", {"storage"}),
        ("serving", {"storage"}),
        # Not with a model that the endpoint could not be updated to.
        ("batch", {"storage", "serving"}),
        # The endpoint is used by its literal name, so that the dependency is explicit.
        ("api", {"storage", "serving"}),
        ("monitoring", {"storage", "training", "api"}),
    ],
)
def test_stacks_depend_on_what_holds_state(
    assembly: Assembly, purpose: str, expected: set[str]
) -> None:
    assert dependencies(assembly, purpose) == expected


def test_stacks_are_named_after_stage_and_purpose(assembly: Assembly) -> None:
    for purpose in PURPOSES:
        name = f"whippet-{assembly.settings.stage}-{purpose}"
        properties = assembly.manifest(purpose)["properties"]
        assert properties.get("stackName", name) == name  # left out where it is the artifact's
        assert properties["tags"] == {"project": "whippet", "stage": assembly.settings.stage}


def test_only_prod_is_protected_from_deletion(assembly: Assembly) -> None:
    for purpose in PURPOSES:
        protected = assembly.manifest(purpose)["properties"].get("terminationProtection", False)
        assert protected is (assembly.settings.stage == "prod")


def test_the_shells_account_and_region_are_not_in_it(assembly: Assembly) -> None:
    for purpose in PURPOSES:
        environment = assembly.manifest(purpose)["environment"]
        assert environment == "aws://unknown-account/unknown-region"
    text = json.dumps(assembly.templates())
    assert WRONG_ACCOUNT not in text
    assert WRONG_REGION not in text


def test_the_page_alone_is_put_there_by_a_custom_resource(assembly: Assembly) -> None:
    types = [
        resource["Type"]
        for template in assembly.templates().values()
        for resource in template["Resources"].values()
    ]
    custom = [each for each in types if each.startswith(("Custom::", "AWS::CloudFormation::"))]
    assert custom == ["Custom::Page"]
    functions = 3  # proxy, health, publisher
    functions += assembly.settings.ec2_trainer.enabled  # which ends machines
    assert len(assembly.everywhere("AWS::Lambda::Function")) == functions


def test_references_between_stacks_are_weak(assembly: Assembly) -> None:
    for template in assembly.templates().values():
        keys = {key for each in walk(template) if isinstance(each, dict) for key in each}
        assert "Fn::ImportValue" not in keys
        assert not [each for each in template.get("Outputs", {}).values() if "Export" in each]


def test_three_things_are_named_and_each_after_the_stage(assembly: Assembly) -> None:
    for type_, name in NAMED.items():
        (resource,) = assembly.everywhere(type_)
        assert resource.properties[name] == assembly.settings.name


@pytest.mark.parametrize("type_", sorted(OWN_NAME))
def test_other_resources_have_no_name(assembly: Assembly, type_: str) -> None:
    resources = assembly.everywhere(type_)
    assert resources
    for resource in resources:
        names = {key for key in resource.properties if NAME_PROPERTY.fullmatch(key)}
        if "API-Gateway-Execution-Logs_" in json.dumps(resource.properties.get("LogGroupName")):
            names.remove("LogGroupName")  # AWS's name, which has the API's id in it
        if resource.properties.get("LogGroupName") == SAGEMAKER_LOG_GROUP + assembly.settings.name:
            names.remove("LogGroupName")  # AWS's name, which has the endpoint's name in it
        assert names == set()


def test_every_log_group_is_encrypted_with_a_key_that_cloudwatch_logs_may_use(
    assembly: Assembly,
) -> None:
    groups = assembly.everywhere("AWS::Logs::LogGroup")
    assert len(groups) == 8 + assembly.settings.ec2_trainer.enabled
    published = assembly.template("storage")["Outputs"]
    key = assembly.resource("storage", "AWS::KMS::Key")
    for group in groups:
        output = group.properties["KmsKeyId"]["Fn::GetStackOutput"]["OutputName"]
        assert published[output]["Value"] == {"Fn::GetAtt": [key.logical_id, "Arn"]}
    assert "logs." in json.dumps(key.properties["KeyPolicy"])


@pytest.mark.parametrize("purpose", PURPOSES)
def test_only_sagemaker_and_step_functions_must_send_their_account(
    assembly: Assembly, purpose: str
) -> None:
    for role in assembly.resources(purpose, "AWS::IAM::Role"):
        (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
        required = "aws:SourceAccount" in json.dumps(statement.get("Condition", {}))
        service = statement["Principal"]["Service"]
        assert required is (service in {"sagemaker.amazonaws.com", "states.amazonaws.com"})


def test_no_policy_allows_everything(assembly: Assembly) -> None:
    for purpose in PURPOSES:
        for each in walk(assembly.template(purpose)):
            if isinstance(each, dict) and each.get("Effect") == "Allow" and "Action" in each:
                actions = each["Action"] if isinstance(each["Action"], list) else [each["Action"]]
                in_key_policy = "Principal" in each
                wide = {action for action in actions if action.endswith(("*", ":*"))}
                assert in_key_policy or not wide
