"""The launch template of the EC2 trainer, its role and what ends its machines."""

import json
import re
from typing import Any

import pytest

from stacks.components.ec2_trainer.torch_packages import TORCH_PACKAGES
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    REPOSITORY,
    Assembly,
    Json,
    flatten,
    statement_allowing,
    statements_for_role,
)
from tests.stacks.conftest import Synthesize

TEMPLATE = "AWS::EC2::LaunchTemplate"
AL2023 = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default"
DLAMI = "resolve:ssm:/aws/service/deeplearning/ami"
PYTORCH = "oss-nvidia-driver-gpu-pytorch"
MAX_USER_DATA_BYTES = 16 * 1024


def with_trainer(settings: StageSettings, **changes: Any) -> StageSettings:
    network = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}
    return with_changes(
        settings, ec2_trainer=with_changes(settings.ec2_trainer, **{**network, **changes})
    )


@pytest.fixture
def trainer(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(with_trainer(dev_settings))


def launch_data(assembly: Assembly) -> Json:
    data: Json = assembly.resource("training", TEMPLATE).properties["LaunchTemplateData"]
    return data


def user_data(assembly: Assembly) -> str:
    return flatten(launch_data(assembly)["UserData"]["Fn::Base64"])


def role_statements(assembly: Assembly, service: str, needle: str) -> list[Json]:
    (role,) = (
        each.logical_id
        for each in assembly.resources("training", "AWS::IAM::Role")
        if each.logical_id.startswith(needle)
        and each.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        == {"Service": service}
    )
    return statements_for_role(assembly, "training", role)


def test_a_stage_without_a_subnet_has_no_trainer(dev: Assembly) -> None:
    for kind in (TEMPLATE, "AWS::EC2::SecurityGroup", "AWS::Lambda::Function"):
        assert dev.resources("training", kind) == []


@pytest.mark.parametrize(
    ("instance_type", "image"),
    [
        ("m5.xlarge", f"{AL2023}-x86_64"),
        ("c7g.2xlarge", f"{AL2023}-arm64"),
        ("m7i-flex.large", f"{AL2023}-x86_64"),
        ("g5.xlarge", f"{DLAMI}/x86_64/{PYTORCH}-2.13-amazon-linux-2023/latest/ami-id"),
        ("p4d.24xlarge", f"{DLAMI}/x86_64/{PYTORCH}-2.13-amazon-linux-2023/latest/ami-id"),
        ("g5g.xlarge", f"{DLAMI}/arm64/{PYTORCH}-2.11-amazon-linux-2023/latest/ami-id"),
    ],
)
def test_the_image_fits_the_instance_type(
    dev_settings: StageSettings, synthesize_with: Synthesize, instance_type: str, image: str
) -> None:
    data = launch_data(synthesize_with(with_trainer(dev_settings, instance_type=instance_type)))
    assert (data["InstanceType"], data["ImageId"]) == (instance_type, image)


def test_a_machine_ends_for_good_and_takes_its_encrypted_disk_along(trainer: Assembly) -> None:
    data = launch_data(trainer)
    assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    (disk,) = data["BlockDeviceMappings"]
    assert disk["Ebs"] == {
        "Encrypted": True,
        "DeleteOnTermination": True,
        "VolumeSize": 100,
        "VolumeType": "gp3",
    }


def test_a_machine_needs_a_session_token_for_its_metadata(trainer: Assembly) -> None:
    assert launch_data(trainer)["MetadataOptions"] == {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "InstanceMetadataTags": "enabled",
    }


def test_nothing_comes_in_and_only_https_goes_out(trainer: Assembly) -> None:
    group = trainer.resource("training", "AWS::EC2::SecurityGroup")
    assert group.properties.get("SecurityGroupIngress", []) == []
    assert trainer.resources("training", "AWS::EC2::SecurityGroupIngress") == []
    ports = {(each["FromPort"], each["ToPort"]) for each in group.properties["SecurityGroupEgress"]}
    assert ports == {(443, 443)}
    assert group.properties["VpcId"] == "vpc-0a1b2c3d"
    (interface,) = launch_data(trainer)["NetworkInterfaces"]
    assert interface["Groups"] == [{"Fn::GetAtt": [group.logical_id, "GroupId"]}]
    assert interface["SubnetId"] == "subnet-0a1b2c3d"


def test_the_first_command_arms_the_end(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_trainer(dev_settings, max_runtime_seconds=3601))
    first, second, third = user_data(assembly).splitlines()[:3]
    assert first == "#!/bin/bash"
    assert second == "shutdown -h +91"  # 61 minutes, and half an hour to set up
    assert third == "trap 'shutdown -h now' EXIT"


def test_the_script_fits_and_has_no_word_left_to_replace(trainer: Assembly) -> None:
    script = user_data(trainer)
    # References become names of at most some hundred characters.
    assert len(script.encode()) < MAX_USER_DATA_BYTES / 4
    assert re.findall(r"@[A-Z_]+@", script) == []
    assert script.count("'") % 2 == 0


def test_the_script_gives_the_program_what_it_reads(trainer: Assembly) -> None:
    from trainer.description import Stage

    (given,) = re.findall(r"WHIPPET_TRAINER='(.*)'", user_data(trainer))
    stage = Stage(**json.loads(given))
    assert stage.package_group == "whippet-dev"
    assert stage.max_runtime_seconds == 14_400
    assert stage.minimum_test_accuracy == 0.7
    assert re.fullmatch(r"s3://.*\.gz", stage.source_url)


def test_a_machine_registers_only_what_waits_for_approval(trainer: Assembly) -> None:
    statements = role_statements(trainer, "ec2.amazonaws.com", "Ec2Trainer")
    create = statement_allowing(statements, "sagemaker:CreateModelPackage")
    assert create["Condition"] == {
        "StringEquals": {"sagemaker:ModelApprovalStatus": ["PendingManualApproval"]}
    }
    assert [flatten(each).rpartition(":")[2] for each in create["Resource"]] == [
        "model-package-group/whippet-dev",
        "model-package/whippet-dev/*",
    ]


def test_a_machine_writes_two_prefixes_and_deletes_nothing(trainer: Assembly) -> None:
    statements = role_statements(trainer, "ec2.amazonaws.com", "Ec2Trainer")
    written = {
        flatten(resource).partition("/")[2]
        for each in statements
        if "s3:PutObject" in each["Action"]
        for resource in each["Resource"]
    }
    assert written == {"training/*", "candidates/*"}
    actions = {action for each in statements for action in each["Action"]}
    assert not any("Delete" in action or action.endswith("*") for action in actions)


def test_old_machines_of_this_stage_are_ended(trainer: Assembly) -> None:
    statements = role_statements(trainer, "lambda.amazonaws.com", "Ec2TrainerTimeLimit")
    terminate = statement_allowing(statements, "ec2:TerminateInstances")
    assert terminate["Condition"] == {
        "StringEquals": {"ec2:ResourceTag/whippet-trainer": "whippet-dev"}
    }
    function = trainer.resource("training", "AWS::Lambda::Function").properties
    assert function["Environment"]["Variables"] == {
        "TRAINER": "whippet-dev",
        # After the machine would have ended itself.
        "LIMIT_MINUTES": "285",
    }
    rule = trainer.resource("training", "AWS::Events::Rule").properties
    assert rule["ScheduleExpression"] == "rate(10 minutes)"
    tags = {
        spec["ResourceType"]: {tag["Key"]: tag["Value"] for tag in spec["Tags"]}
        for spec in launch_data(trainer)["TagSpecifications"]
    }
    assert tags["instance"]["whippet-trainer"] == tags["volume"]["whippet-trainer"] == "whippet-dev"


def test_the_packages_of_a_machine_without_pytorch_are_those_of_the_tests() -> None:
    locked = (REPOSITORY / "requirements" / "training.txt").read_text().splitlines()
    assert set(TORCH_PACKAGES) <= {line.split()[0] for line in locked if line.strip()}
