"""AwsSolutionsChecks: no findings in any stage, and no unused acknowledgement."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Stack, Validations
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from stacks.application import add_stacks, synthesize
from stacks.errors import CheckError
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    CONFIG,
    PREBUILT_IMAGE,
    every_serverless_setting,
    new_app,
    with_every_api_setting,
    with_every_scaling_setting,
    with_serving,
)
from tests.stacks.nag import MODULE, Recorder, findings

NETWORK: dict[str, Any] = {"vpc_id": "vpc-0a1b2c3d", "subnet_id": "subnet-0a1b2c3d"}
EXISTING_NETWORK: dict[str, Any] = {
    "vpc": "existing",
    "vpc_id": NETWORK["vpc_id"],
    "subnet_ids": ("subnet-0a1b2c3d", "subnet-1a1b2c3d"),
}
STAGES = ("local", "dev", "prod")


def variants() -> dict[str, StageSettings]:
    """Every stage, and settings that add resources to one."""
    settings = {stage: load_stage_settings(stage, CONFIG) for stage in STAGES}
    dev = settings["dev"]
    settings["pinned"] = with_changes(dev, account="123456789012", region="eu-central-1")
    settings["everything"] = with_changes(
        dev,
        asset_key_arn="arn:aws:kms:eu-central-1:123456789012:key/0a1b",
        serving=with_changes(
            with_every_scaling_setting(dev.serving),
            data_capture_percent=10,
            rollout="canary",
            min_instance_count=2,
        ),
        api=with_every_api_setting(dev.api),
        web=with_changes(
            dev.web,
            domain_name="images.example.com",
            certificate_arn="arn:aws:acm:us-east-1:123456789012:certificate/0a1b",
        ),
        monitoring=with_changes(dev.monitoring, alarm_email="ops@example.com"),
        ec2_trainer=with_changes(dev.ec2_trainer, **NETWORK),
        notebook=with_changes(dev.notebook, enabled=True, **NETWORK),
    )
    settings["no key"] = with_changes(settings["everything"], encryption="aws", asset_key_arn=None)
    settings["notebook online"] = with_changes(
        dev, notebook=with_changes(dev.notebook, enabled=True, direct_internet_access=True)
    )
    settings["gpu"] = with_serving(dev, instance_type="ml.g5.xlarge")
    settings["linear"] = with_serving(dev, rollout="linear", min_instance_count=2)
    settings["serverless"] = with_serving(
        with_changes(dev, monitoring=with_changes(dev.monitoring, alarms="full")),
        **every_serverless_setting(),
    )
    settings["network"] = with_changes(
        dev,
        network=with_changes(dev.network, vpc="own"),
        api=with_changes(dev.api, uploads_enabled=True),
    )
    settings["existing network"] = with_changes(
        dev, network=with_changes(dev.network, **EXISTING_NETWORK)
    )
    settings["prebuilt"] = with_serving(dev, image_uri=PREBUILT_IMAGE)
    return settings


def check(settings: StageSettings, inputs: Inputs, directory: Path) -> list[tuple[str, str]]:
    """Synthesize with the checks on; return the findings as (rule, construct) pairs."""
    app = new_app(directory)
    add_stacks(app, settings=settings, inputs=inputs)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with contextlib.suppress(CheckError):  # the report file has the findings too
        synthesize(app)
    return findings(directory)


@pytest.mark.parametrize("name", sorted(variants()))
def test_clean(name: str, inputs: Inputs, tmp_path: Path) -> None:
    assert check(variants()[name], inputs, tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        "pinned",
        "everything",
        "no key",
        "notebook online",
        "serverless",
        "network",
        "existing network",
    ],
)
def test_each_finding_is_acknowledged_by_itself_and_nothing_else_is(
    name: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(MODULE, recorder)
    found = check(variants()[name], inputs, tmp_path)
    assert len(found) > 5
    recorder.check(found)


def test_a_bucket_without_logs_or_tls_is_found(
    dev_settings: StageSettings, inputs: Inputs, tmp_path: Path
) -> None:
    app = new_app(tmp_path)
    add_stacks(app, settings=dev_settings, inputs=inputs)
    s3.Bucket(Stack(app, "careless"), "Bucket")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(CheckError, match="AwsSolutions-S1"):
        synthesize(app)
    assert {rule for rule, _ in findings(tmp_path)} == {"AwsSolutions-S1", "AwsSolutions-S10"}
