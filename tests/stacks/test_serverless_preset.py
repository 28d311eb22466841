"""The templates of a stage that starts from the preset `mobilenet-serverless`."""

from pathlib import Path

import pytest

from stacks.settings.stage import load_stage_settings
from tests.stacks.assembly import CONFIG, Assembly, Json
from tests.stacks.conftest import Synthesize
from tests.stacks.functions import proxy_function
from tests.stacks.test_encryption import traces_of_a_key
from tests.stacks.test_presets import starting_from

PRESET = "mobilenet-serverless"


@pytest.fixture
def stage(tmp_path: Path, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(starting_from(PRESET, tmp_path / "config"))


def serverless(assembly: Assembly) -> Json:
    configuration = assembly.resource("serving", "AWS::SageMaker::EndpointConfig").properties
    (variant,) = configuration["ProductionVariants"]
    assert "InstanceType" not in variant
    found: Json = variant["ServerlessConfig"]
    return found


def test_the_endpoint_is_serverless_and_keeps_nothing_warm(stage: Assembly) -> None:
    assert serverless(stage) == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    endpoint = stage.resource("serving", "AWS::SageMaker::Endpoint").properties
    assert endpoint["EndpointName"] == "whippet-dev-serverless"
    assert stage.everywhere("AWS::ApplicationAutoScaling::ScalableTarget") == []
    alias = stage.resource("api", "AWS::Lambda::Alias").properties
    assert "ProvisionedConcurrencyConfig" not in alias


@pytest.mark.parametrize(("memory", "concurrency"), [(1024, 1), (6144, 40)])
def test_a_stage_tunes_memory_and_concurrency(
    tmp_path: Path, synthesize_with: Synthesize, memory: int, concurrency: int
) -> None:
    more = f"[serving]\nserverless_memory_mb = {memory}\nserverless_max_concurrency = {concurrency}"
    settings = starting_from(PRESET, tmp_path / "config", more)
    assert serverless(synthesize_with(settings)) == {
        "MemorySizeInMB": memory,
        "MaxConcurrency": concurrency,
    }


def test_it_is_as_cheap_on_a_laptop_whose_stage_has_more() -> None:
    own = load_stage_settings("local", CONFIG)
    assert (own.monitoring.metrics, own.monitoring.alarms) == ("full", "full")
    assert own.api.provisioned_concurrency == 3
    found = load_stage_settings("local", CONFIG, PRESET)
    assert (found.monitoring.metrics, found.monitoring.alarms) == ("basic", "basic")
    assert found.api.provisioned_concurrency == 0
    assert found.web.enabled


def test_nothing_is_encrypted_with_a_key_of_its_own(stage: Assembly) -> None:
    for template in stage.templates().values():
        assert traces_of_a_key(template) == set()


def test_metrics_and_alarms_are_the_basic_ones(stage: Assembly) -> None:
    variables = proxy_function(stage).properties["Environment"]["Variables"]
    assert variables["METRICS"] == "basic"
    assert variables["ENDPOINT_READ_TIMEOUT_SECONDS"] == "18"
    watched = {
        each.properties.get("MetricName")
        for each in stage.resources("monitoring", "AWS::CloudWatch::Alarm")
    }
    assert {"ServerlessConcurrentExecutionsUtilization", "5XXError"} <= watched
    assert not {"ModelSetupTime", "CPUUtilization", "MemoryUtilization"} & watched


def test_the_page_is_there_and_the_key_is_required(stage: Assembly) -> None:
    assert len(stage.resources("web", "AWS::CloudFront::Distribution")) == 1
    methods = stage.resources("api", "AWS::ApiGateway::Method")
    (predict,) = (each for each in methods if each.properties["HttpMethod"] == "POST")
    assert predict.properties["ApiKeyRequired"] is True
