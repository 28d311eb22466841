"""The figures of README.md are those of the templates and of the benchmarks."""

import re
from typing import Final

import pytest

from tests.stacks.assembly import REPOSITORY, Assembly
from tools.costs.stage_cost import HOURS_A_MONTH, PRICED_TYPES, alarm_metrics
from tools.prices import ALARM_METRIC_MONTH, INSTANCE_HOUR, KEY_MONTH

README: Final = (REPOSITORY / "README.md").read_text(encoding="utf-8")
UNPRICED_SERVICES: Final = {
    "ApiGateway", "ApplicationAutoScaling", "CloudFront", "IAM", "Lambda", "Logs", "S3", "SNS",
    "SSM", "SageMaker", "StepFunctions",
}  # fmt: skip


def test_the_monthly_cost_of_dev_is_what_its_templates_cost(dev: Assembly) -> None:
    (endpoint,) = dev.resources("serving", "AWS::SageMaker::EndpointConfig")
    (variant,) = endpoint.properties["ProductionVariants"]
    price = INSTANCE_HOUR[variant["InstanceType"]].dollars
    instances = variant["InitialInstanceCount"] * price * HOURS_A_MONTH
    metrics = alarm_metrics(dev)
    alarms = ALARM_METRIC_MONTH.dollars * metrics
    keys = KEY_MONTH.dollars * len(dev.everywhere("AWS::KMS::Key"))
    said = re.search(
        r"The stage `dev` costs about (\d+) USD a month in us-east-1 before its first request: "
        r"(\d+) for the endpoint's one (\S+), (\d+) for its alarms "
        r"\((\d+) metrics, two of them for scaling\), (\d+) for its KMS key\.",
        README,
    )
    assert said is not None
    expected = [round(instances + alarms + keys), round(instances), round(alarms)]
    assert [int(said[number]) for number in (1, 2, 4)] == expected
    assert [int(said[number]) for number in (5, 6)] == [metrics, round(keys)]
    assert said[3] == variant["InstanceType"]
    assert len(dev.everywhere("AWS::ApplicationAutoScaling::ScalingPolicy")) == 1


def test_nothing_else_of_dev_has_a_monthly_price(dev: Assembly) -> None:
    settings = dev.settings
    assert settings.api.provisioned_concurrency == 0
    assert not settings.api.firewall_enabled
    services = {
        resource["Type"].split("::")[1]
        for template in dev.templates().values()
        for resource in template["Resources"].values()
        if resource["Type"] not in PRICED_TYPES
        and not resource["Type"].startswith(("AWS::CDK", "Custom::"))
    }
    assert services <= UNPRICED_SERVICES


@pytest.mark.parametrize(
    ("sentence", "row"),
    [
        (r"has ([0-9.]+) times TorchServe's throughput with ResNet-50", "throughput"),
        (r"and ([0-9.]+) times that of the best torch server with int8", "int8 throughput"),
    ],
)
def test_the_benchmarks_headline_is_measured(sentence: str, row: str) -> None:
    report = (REPOSITORY / "docs" / "benchmarks" / "serving.md").read_text(encoding="utf-8")
    resnet50 = report.partition("## ResNet-50: targets")[2].partition("\n## ")[0]
    peer = "TorchServe" if row == "throughput" else r"best torch server \(\w+\)"
    measured = re.search(
        rf"^\| {row} at 16 clients / {peer} \| ([0-9.]+) \|", resnet50, re.MULTILINE
    )
    found = re.search(sentence, README)
    assert measured is not None
    assert found is not None
    digits = len(found[1].partition(".")[2])
    assert f"{float(measured[1]):.{digits}f}" == found[1]
