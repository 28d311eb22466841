"""What the templates of a stage have that starts from a preset."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.stacks.assembly import CONFIG, Assembly, Json, Resource
from tests.stacks.settings.test_presets import PRESETS
from tests.stacks.test_cfn_lint import in_repository, lint  # noqa: F401 - the first is a fixture
from tests.stacks.test_nag import check
from tests.stacks.training_account import START, TRAIN
from tests.stacks.training_workflow import run

NETWORK = 'vpc_id = "vpc-0a1b2c3d"\nsubnet_id = "subnet-0a1b2c3d"\n'
FILE = f'preset = "{{preset}}"\n[ec2_trainer]\n{NETWORK}'


def starting_from(preset: str, folder: Path, more: str = "") -> StageSettings:
    """Return the settings of a stage whose file names a preset, and the network of a trainer."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "presets").exists():
        (folder / "presets").symlink_to(CONFIG / "presets")
    (folder / "dev.toml").write_text(FILE.format(preset=preset) + more)
    return load_stage_settings("dev", folder)


@pytest.fixture(scope="module")
def checked(
    inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[Assembly, list[tuple[str, str]]]]:
    """Each preset, synthesized with the checks on, and their findings."""
    found = {}
    for preset in PRESETS:
        folder = tmp_path_factory.mktemp(preset)
        settings = starting_from(preset, folder / "config")
        findings = check(settings, inputs, folder / "assembly")
        found[preset] = (Assembly(folder / "assembly", settings), findings)
    return found


@pytest.fixture
def of_preset(
    request: pytest.FixtureRequest, checked: Mapping[str, tuple[Assembly, object]]
) -> Assembly:
    return checked[request.param][0]


def template_of(preset: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("of_preset", [preset], indirect=True)


@pytest.mark.parametrize("preset", PRESETS)
def test_no_check_finds_anything(
    preset: str, checked: Mapping[str, tuple[object, list[tuple[str, str]]]]
) -> None:
    assert checked[preset][1] == []


@pytest.mark.usefixtures("in_repository")
def test_every_template_is_clean(checked: Mapping[str, tuple[Assembly, object]]) -> None:
    templates = [
        path for each, _ in checked.values() for path in each.directory.glob("*.template.json")
    ]
    assert len(templates) == 7 * len(PRESETS)
    assert lint(templates) == {}


def scaling(assembly: Assembly) -> Json:
    """Return the bounds of the fleet, the metric, its target and the cooldowns."""
    target = assembly.resource("serving", "AWS::ApplicationAutoScaling::ScalableTarget").properties
    policy = assembly.resource("serving", "AWS::ApplicationAutoScaling::ScalingPolicy").properties
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    return {
        "instances": (target["MinCapacity"], target["MaxCapacity"]),
        "metric": tracking["PredefinedMetricSpecification"]["PredefinedMetricType"],
        "target": tracking["TargetValue"],
        "cooldowns": (tracking["ScaleInCooldown"], tracking["ScaleOutCooldown"]),
    }


@pytest.mark.parametrize(
    ("of_preset", "instances", "target"),
    [("dogs", (1, 3), 25), ("dogs-scaled", (2, 4), 10), ("notebook", (1, 3), 10)],
    indirect=["of_preset"],
)
def test_the_fleet_follows_invocations_with_cooldowns_of_30_seconds(
    of_preset: Assembly, instances: tuple[int, int], target: int
) -> None:
    assert scaling(of_preset) == {
        "instances": instances,
        "metric": "SageMakerVariantInvocationsPerInstance",
        "target": target,
        "cooldowns": (30, 30),
    }
    (variant,) = configuration(of_preset)["ProductionVariants"]
    assert variant["InitialInstanceCount"] == instances[0]


def test_the_notebooks_target_can_mean_requests_in_flight(inputs: Inputs, tmp_path: Path) -> None:
    preset = (CONFIG / "presets" / "notebook.toml").read_text()
    lines = [each.removeprefix("#   ") for each in preset.splitlines() if each.startswith("#   ")]
    more = "\n".join(["[serving]", *lines, ""])
    settings = starting_from("notebook", tmp_path / "config", more)
    check(settings, inputs, tmp_path / "assembly")
    found = scaling(Assembly(tmp_path / "assembly", settings))
    assert found["metric"] == "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    assert found["target"] == 10


def configuration(assembly: Assembly) -> Json:
    return assembly.resource("serving", "AWS::SageMaker::EndpointConfig").properties


@pytest.mark.parametrize(
    ("of_preset", "instance_type"),
    [("resnet50", "ml.m5.large"), ("dogs", "ml.m5.large"), ("dogs-scaled", "ml.m5.xlarge")],
    indirect=["of_preset"],
)
def test_the_endpoint_runs_on(of_preset: Assembly, instance_type: str) -> None:
    (variant,) = configuration(of_preset)["ProductionVariants"]
    assert variant["InstanceType"] == instance_type


@pytest.mark.parametrize(
    ("of_preset", "concurrency"),
    [("resnet50", None), ("dogs", 3), ("dogs-scaled", 4), ("notebook", 3)],
    indirect=["of_preset"],
)
def test_the_alias_of_the_proxy_has_the_provisioned_concurrency(
    of_preset: Assembly, concurrency: int | None
) -> None:
    found = of_preset.resource("api", "AWS::Lambda::Alias").properties
    provisioned = found.get("ProvisionedConcurrencyConfig", {})
    assert provisioned.get("ProvisionedConcurrentExecutions") == concurrency


def job(assembly: Assembly) -> Json:
    """Return the request that starts a training job, by either of Step Functions' integrations."""
    (sent,) = (each for kind in (TRAIN, START) for each in run(assembly).requests(kind))
    return sent


@pytest.mark.parametrize(
    ("of_preset", "kind", "count"),
    [("dogs", "ml.g4dn.xlarge", 2), ("dogs-scaled", "ml.m5.xlarge", 3)],
    indirect=["of_preset"],
)
def test_a_job_trains_on_several_machines(of_preset: Assembly, kind: str, count: int) -> None:
    resources = job(of_preset)["ResourceConfig"]
    assert (resources["InstanceType"], resources["InstanceCount"]) == (kind, count)


@pytest.mark.parametrize(
    ("of_preset", "profiled"), [("dogs", False), ("dogs-scaled", True)], indirect=["of_preset"]
)
def test_the_scaled_one_profiles_its_machines(of_preset: Assembly, profiled: bool) -> None:
    assert ("ProfilerConfig" in job(of_preset)) is profiled


@pytest.mark.parametrize(
    ("of_preset", "kind"),
    [("dogs", "g4dn.xlarge"), ("dogs-scaled", "g4dn.xlarge"), ("notebook", "t2.micro")],
    indirect=["of_preset"],
)
def test_a_machine_of_ec2_trains_where_the_stage_has_a_network(
    of_preset: Assembly, kind: str
) -> None:
    template = of_preset.resource("training", "AWS::EC2::LaunchTemplate").properties
    assert template["LaunchTemplateData"]["InstanceType"] == kind


@template_of("notebook")
def test_the_notebook_is_there(of_preset: Assembly) -> None:
    found = of_preset.resource("training", "AWS::SageMaker::NotebookInstance").properties
    assert (found["InstanceType"], found["DirectInternetAccess"]) == ("ml.t2.medium", "Enabled")


@pytest.mark.parametrize(
    ("preset", "kind"), [("dogs", "ml.g4dn.xlarge"), ("dogs-scaled", "ml.t3.medium")]
)
def test_the_notebook_of_others_is_a_line_in_the_stage(
    preset: str,
    kind: str,
    checked: Mapping[str, tuple[Assembly, object]],
    inputs: Inputs,
    tmp_path: Path,
) -> None:
    assert checked[preset][0].resources("training", "AWS::SageMaker::NotebookInstance") == []
    settings = starting_from(preset, tmp_path / "config", f"[notebook]\nenabled = true\n{NETWORK}")
    assert check(settings, inputs, tmp_path / "assembly") == []
    assembly = Assembly(tmp_path / "assembly", settings)
    found = assembly.resource("training", "AWS::SageMaker::NotebookInstance").properties
    assert found["InstanceType"] == kind


@template_of("dogs-scaled")
def test_the_scaled_ones_addresses_may_be_those_of_s3(of_preset: Assembly) -> None:
    functions = of_preset.resources("api", "AWS::Lambda::Function")
    (proxy,) = (each for each in functions if each.logical_id.startswith("Proxy"))
    variables = proxy.properties["Environment"]["Variables"]
    assert variables["URL_ALLOWED_HOSTS"] == "s3.amazonaws.com"


def alarm_on(assembly: Assembly, metric: str) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("monitoring", "AWS::CloudWatch::Alarm")
        if each.properties.get("MetricName") == metric
        and each.properties["Namespace"] == "AWS/ApiGateway"
    )
    return found


@template_of("resnet50")
def test_more_than_one_5xx_a_minute_is_an_alarm(of_preset: Assembly) -> None:
    found = alarm_on(of_preset, "5XXError").properties
    assert (found["ComparisonOperator"], found["Threshold"]) == ("GreaterThanOrEqualToThreshold", 2)
    assert (found["Statistic"], found["Period"]) == ("Sum", 60)
    assert found["EvaluationPeriods"] == found.get("DatapointsToAlarm", 1) == 1


@template_of("resnet50")
def test_a_slow_api_is_an_alarm(of_preset: Assembly) -> None:
    found = alarm_on(of_preset, "Latency").properties
    assert found["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (found["Threshold"], found["ExtendedStatistic"]) == (1000, "p99")


@template_of("resnet50")
def test_an_image_needs_the_key_and_the_firewall_is_optional(
    of_preset: Assembly, inputs: Inputs, tmp_path: Path
) -> None:
    methods = of_preset.resources("api", "AWS::ApiGateway::Method")
    posted = [each for each in methods if each.properties["HttpMethod"] == "POST"]
    assert len(posted) == 2, "an image, and an upload of a large one"
    assert all(each.properties["ApiKeyRequired"] is True for each in posted)
    assert of_preset.resources("api", "AWS::WAFv2::WebACL") == []
    more = "[api]\nfirewall_enabled = true\n"
    settings = starting_from("resnet50", tmp_path / "config", more)
    assert check(settings, inputs, tmp_path / "assembly") == []
    with_firewall = Assembly(tmp_path / "assembly", settings)
    assert len(with_firewall.resources("api", "AWS::WAFv2::WebACL")) == 1


@template_of("resnet50")
def test_it_has_a_key_of_its_own_and_scales(of_preset: Assembly) -> None:
    assert len(of_preset.resources("storage", "AWS::KMS::Key")) == 1
    assert scaling(of_preset)["instances"] == (1, 3)


def test_its_smallest_type_is_a_fixed_fleet(inputs: Inputs, tmp_path: Path) -> None:
    more = '[serving]\ninstance_type = "ml.t2.medium"\nmax_instance_count = 1\n'
    settings = starting_from("resnet50", tmp_path / "config", more)
    assert check(settings, inputs, tmp_path / "assembly") == []
    assembly = Assembly(tmp_path / "assembly", settings)
    (variant,) = configuration(assembly)["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.t2.medium", 1)
    assert assembly.resources("serving", "AWS::ApplicationAutoScaling::ScalableTarget") == []


def users_of_roles(template: Json) -> list[int]:
    """Return of each role how many resources assume it: they name it and are no policy."""
    resources = template["Resources"]
    values = [
        list(body.get("Properties", {}).values())
        for body in resources.values()
        if not body["Type"].startswith("AWS::IAM::")
    ]
    return [
        sum({"Fn::GetAtt": [name, "Arn"]} in each for each in values)
        for name, body in resources.items()
        if body["Type"] == "AWS::IAM::Role"
    ]


@pytest.mark.parametrize("of_preset", PRESETS, indirect=True)
def test_each_task_has_a_role_of_its_own(of_preset: Assembly) -> None:
    roles = of_preset.everywhere("AWS::IAM::Role")
    used = [count for each in of_preset.templates().values() for count in users_of_roles(each)]
    assert used.count(1) >= 6, "of the endpoint, of each function and of the state machine"
    assert max(used) == 1
    policies = {str(arn) for each in roles for arn in each.properties.get("ManagedPolicyArns", [])}
    aws = {each for each in policies if ":iam::aws:policy" in each}
    # Of the account's setting that lets API Gateway write logs: API Gateway requires this one.
    assert all("AmazonAPIGatewayPushToCloudWatchLogs" in each for each in aws)
