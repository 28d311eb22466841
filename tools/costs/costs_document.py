"""docs/costs.md: what a stage of each preset costs."""

from collections.abc import Mapping, Sequence
from typing import Final

from tools.cdk import ROOT
from tools.costs.preset_stages import PresetStage
from tools.costs.stage_cost import HOURS_A_MONTH, IMAGE_GIGABYTES, Line, Use, stage_cost, totals
from tools.prices import REGION, Price

COSTS_FILE: Final = ROOT / "docs" / "costs.md"
# Of the demonstrations of the systems.
TWO_HOURS: Final = Use(2, 100)
MONTH: Final = Use(HOURS_A_MONTH, 1000)
_INTRODUCTION: Final = f"""\
# What a preset costs

Made from the templates and tools/prices.py by `make documents`; do not edit.

US dollars in {REGION}, for the stage `dev` that starts from a [preset](presets.md) and sets nothing
else, with the fewest instances:

- {TWO_HOURS.hours:g} hours and {TWO_HOURS.images:,} images
- a month of {HOURS_A_MONTH} hours and {MONTH.images:,} images

What has a monthly price is billed by the hour. Each price has the day on which AWS had it; `~`
before one says that it is not verified.

CloudWatch's free part is an account's: ten metrics of alarms, ten custom metrics and three
dashboards. Other free parts, which end after some months, are not taken off. Not counted: logs,
traces, requests to S3, KMS and CloudFront, data sent to the internet, starts of serverless
containers, [batch jobs](batch.md), and training ([SageMaker or EC2](sagemaker-or-ec2.md)).

The serving image is counted as {IMAGE_GIGABYTES} GB in ECR, more than one takes: the packages of
`model_code/requirements-serving.txt` are 84 MB to download, and its base, a slim Python image, is
about 50 MB (not verified). The rest is for the image of the deployment before.
"""
_SAID: Final = """
The figures of the systems are printed beside ours and are not reproduced: none says of which
prices, of which day and of what use it is made.
"""


def costs_document(stages: Sequence[PresetStage], said: Mapping[str, str]) -> str:
    """Return the content of docs/costs.md.

    Args:
        stages: one of each preset.
        said: what its system said, by preset.

    Raises:
        ToolError: a part has no price.
    """
    rows = "".join(_summary(stage, said.get(stage.preset, "")) for stage in stages)
    head = (
        f"\n| preset | {TWO_HOURS.hours:g} hours | a month | a month without the free part | its "
        "system said |\n|---|---|---|---|---|\n"
    )
    return f"{_INTRODUCTION}{head}{rows}{_SAID}" + "".join(map(_section, stages))


def price_text(price: Price) -> str:
    """Return a price for people, with its day or a mark that it is not verified."""
    dollars = f"{price.dollars:.10f}".rstrip("0").rstrip(".")
    if len(dollars.partition(".")[2]) < 2:
        dollars = f"{price.dollars:.2f}"
    return f"~{dollars}" if price.as_of is None else f"{dollars} ({price.as_of})"


def _summary(stage: PresetStage, said: str) -> str:
    hours, _ = totals(stage_cost(stage, TWO_HOURS))
    month, full = totals(stage_cost(stage, MONTH))
    return f"| `{stage.preset}` | {hours:.2f} | {month:.2f} | {full:.2f} | {said} |\n"


def _section(stage: PresetStage) -> str:
    lines = zip(stage_cost(stage, TWO_HOURS), stage_cost(stage, MONTH), strict=True)
    rows = "".join(_row(hours, month) for hours, month in lines if month.amount)
    sums = [totals(stage_cost(stage, use)) for use in (TWO_HOURS, MONTH)]
    free, full = ([f"{each[place]:.2f}" for each in sums] for place in (0, 1))
    return (
        f"\n## `{stage.preset}`\n\n"
        f"| part | price | of a | {TWO_HOURS.hours:g} hours | a month |\n|---|---|---|---|---|\n"
        f"{rows}| **in all** | | | {' | '.join(full)} |\n"
        f"| **with CloudWatch's free part** | | | {' | '.join(free)} |\n"
    )


def _row(hours: Line, month: Line) -> str:
    return (
        f"| {month.name} | {price_text(month.price)} | {month.unit} | {hours.dollars:.4f} | "
        f"{month.dollars:.4f} |\n"
    )
