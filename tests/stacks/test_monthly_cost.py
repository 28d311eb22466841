"""What a stage that starts from a preset costs in a month, from its templates; `-s` prints it."""

import re
from pathlib import Path

import pytest

from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import CONFIG, Assembly
from tests.stacks.conftest import Synthesize
from tests.stacks.settings.test_presets import PRESETS
from tests.stacks.test_readme import UNPRICED_SERVICES
from tools.api_docs.presets_document import PRESETS_FILE
from tools.console import ToolError
from tools.costs.stage_cost import (
    HOURS_A_MONTH,
    PRICED_TYPES,
    Use,
    alarm_metrics,
    describe,
    stage_cost,
    totals,
)
from tools.prices import API_REQUEST

IMAGES = 1000
MONTH = Use(HOURS_A_MONTH, IMAGES)


@pytest.fixture
def of_preset(
    request: pytest.FixtureRequest, tmp_path: Path, synthesize_with: Synthesize
) -> Assembly:
    return synthesize_with(settings_of(request.param, tmp_path))


def settings_of(preset: str, folder: Path) -> StageSettings:
    (folder / "presets").symlink_to(CONFIG / "presets")
    (folder / "dev.toml").write_text(f'preset = "{preset}"')
    return load_stage_settings("dev", folder)


def dollars(assembly: Assembly) -> dict[str, float]:
    return {line.name: round(line.dollars, 2) for line in stage_cost(assembly, MONTH)}


@pytest.mark.parametrize(
    ("of_preset", "expected"),
    [
        ("resnet50", {"endpoint: 1 ml.m5.large": 83.95, "provisioned concurrency: 0 of 512 MB": 0}),
        ("dogs", {"endpoint: 1 ml.m5.large": 83.95, "provisioned concurrency: 3 of 512 MB": 13.14}),
        (
            "dogs-scaled",
            {"endpoint: 2 ml.m5.xlarge": 335.80, "provisioned concurrency: 4 of 512 MB": 17.52},
        ),
        (
            "notebook",
            {
                "endpoint: 1 ml.m5.large": 83.95,
                "provisioned concurrency: 3 of 512 MB": 13.14,
                "notebook: ml.t2.medium, if it never stops": 33.87,
            },
        ),
    ],
    indirect=["of_preset"],
)
def test_a_month_of_a_preset(of_preset: Assembly, expected: dict[str, float]) -> None:
    lines = stage_cost(of_preset, MONTH)
    with_free, full = totals(lines)
    print(f"\n{of_preset.settings.preset}, {IMAGES:,} images a month (USD)\n{describe(lines)}")
    found = dollars(of_preset)
    assert found.items() >= expected.items()
    assert found["KMS key"] == 1
    metrics = alarm_metrics(of_preset)
    assert found[f"metrics of the alarms: {metrics}"] == pytest.approx(metrics / 10)
    # Without the free part: ten alarms, one custom metric, one dashboard.
    assert full - with_free == pytest.approx(10 * 0.10 + 0.30 + 3.00)
    others = sum(expected.values()) + 1 + metrics / 10 - 10 * 0.10
    assert others < with_free < others + 0.10


@pytest.mark.parametrize("of_preset", ["mobilenet-serverless"], indirect=True)
def test_the_document_has_the_figures_of_the_serverless_preset(of_preset: Assembly) -> None:
    with_free, full = totals(stage_cost(of_preset, MONTH))
    (row,) = re.findall(r"^\| 3\.18 .*$", PRESETS_FILE.read_text(), re.MULTILINE)
    assert f"{with_free:.2f} USD a month with 1,000 images" in row
    assert f"and {full:.2f} USD where" in row
    (row,) = re.findall(r"^\| 3\.5 .*$", PRESETS_FILE.read_text(), re.MULTILINE)
    price = 1_000_000 * API_REQUEST.dollars
    assert f"A million requests cost {price:.2f} USD and not 1.00" in row
    assert f"{IMAGES * (price - 1) / 1_000_000:.4f} USD more" in row


def test_the_document_has_the_price_of_the_notebooks_concurrency() -> None:
    assert "three environments of 512 MB on Arm cost 13.14 USD a month" in PRESETS_FILE.read_text()


@pytest.mark.parametrize("of_preset", PRESETS, indirect=True)
def test_nothing_else_of_a_preset_has_a_monthly_price(of_preset: Assembly) -> None:
    types = {
        resource["Type"]
        for template in of_preset.templates().values()
        for resource in template["Resources"].values()
        if not resource["Type"].startswith(("AWS::CDK", "Custom::"))
    }
    assert {each.split("::")[1] for each in types - PRICED_TYPES} <= UNPRICED_SERVICES


def test_keys_of_aws_cost_a_dollar_less(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    sums = [
        totals(stage_cost(synthesize_with(settings), MONTH))
        for settings in (dev_settings, with_changes(dev_settings, encryption="aws"))
    ]
    for with_key, without in zip(*sums, strict=True):
        assert with_key - without == pytest.approx(1.00)


def test_a_firewall_has_a_price_before_the_first_request(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    api = with_changes(dev_settings.api, firewall_enabled=True)
    assembly = synthesize_with(with_changes(dev_settings, api=api))
    (firewall,) = assembly.everywhere("AWS::WAFv2::WebACL")
    rules = len(firewall.properties["Rules"])
    found = dollars(assembly)
    assert (found["firewall"], found[f"firewall: {rules} rules"]) == (5, rules)


@pytest.mark.parametrize("of_preset", ["mobilenet-serverless"], indirect=True)
def test_the_serverless_preset_costs_less_than_1_50_with_the_free_part(
    of_preset: Assembly,
) -> None:
    lines = stage_cost(of_preset, MONTH)
    with_free, full = totals(lines)
    print(f"\n{of_preset.settings.preset}, {IMAGES:,} images a month (USD)\n{describe(lines)}")
    found = dollars(of_preset)
    assert found["endpoint: serverless, 2 GB, 0.3 s an image"] == 0.01
    assert found["serving image in ECR"] == 0.04
    assert found["KMS key"] == found["provisioned concurrency: 0 of 512 MB"] == 0
    metrics = alarm_metrics(of_preset)
    # Beyond CloudWatch's ten free ones nothing else has a price before the first image.
    assert with_free == pytest.approx((metrics - 10) / 10 + 0.04 + 0.02, abs=0.01)
    assert with_free < 1.50 < full, "the free part of CloudWatch makes the difference"
    _, more = totals(stage_cost(of_preset, Use(HOURS_A_MONTH, 100 * IMAGES)))
    assert more - full == pytest.approx(99 * 0.021, abs=0.1)


@pytest.mark.parametrize(
    ("images", "memory_mb", "expected"), [(1000, 2048, 0.012), (0, 2048, 0), (1000, 4096, 0.024)]
)
def test_a_serverless_endpoint_costs_by_images_and_memory_alone(
    images: int,
    memory_mb: int,
    expected: float,
    dev_settings: StageSettings,
    synthesize_with: Synthesize,
) -> None:
    serving = with_changes(dev_settings.serving, mode="serverless", serverless_memory_mb=memory_mb)
    assembly = synthesize_with(with_changes(dev_settings, serving=serving))
    (line,) = (
        each
        for each in stage_cost(assembly, Use(HOURS_A_MONTH, images))
        if each.name.startswith("endpoint: ")
    )
    assert line.dollars == pytest.approx(expected)


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("serving", {"instance_type": "ml.m5.4xlarge"}, "ml.m5.4xlarge has no price"),
        ("monitoring", {"metrics": "full"}, "depends on the images"),
        ("network", {"vpc": "own"}, "Interface endpoints .* have no price here"),
    ],
)
def test_what_has_no_price_is_an_error_and_not_free(
    section: str,
    changes: dict[str, str],
    message: str,
    dev_settings: StageSettings,
    synthesize_with: Synthesize,
) -> None:
    changed = with_changes(getattr(dev_settings, section), **changes)
    assembly = synthesize_with(with_changes(dev_settings, **{section: changed}))
    with pytest.raises(ToolError, match=message):
        stage_cost(assembly, MONTH)


@pytest.mark.parametrize("hours", [2, 100])
def test_a_part_of_a_month_costs_its_part(
    hours: float, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(dev_settings)
    whole = totals(stage_cost(assembly, Use(HOURS_A_MONTH, 0)))
    part = totals(stage_cost(assembly, Use(hours, 0)))
    assert part == pytest.approx([each * hours / HOURS_A_MONTH for each in whole])
    assert totals(stage_cost(assembly, Use(hours, 1000)))[1] > part[1]
