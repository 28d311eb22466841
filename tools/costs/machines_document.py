"""docs/sagemaker-or-ec2.md: what each is for, and what it costs."""

from collections.abc import Sequence
from typing import Final

from tools import prices
from tools.cdk import ROOT
from tools.costs.costs_document import price_text
from tools.costs.preset_stages import PresetStage
from tools.costs.stage_cost import HOURS_A_MONTH
from tools.prices import Price

MACHINES_FILE: Final = ROOT / "docs" / "sagemaker-or-ec2.md"
_SERVED_BY: Final = "ml.m5.large"
_INTRODUCTION: Final = f"""\
# SageMaker or EC2

Made from the templates and tools/prices.py by `make documents`; do not edit.

US dollars in {prices.REGION}. Each price has the day on which AWS had it; `~` before one says that
it is not verified.

## To train

Both run the same `train.py` on the same dataset, with the same gate, and register the same package
([training.md](training.md), [ec2-trainer.md](ec2-trainer.md)).

| | a job of SageMaker (`ON=sagemaker`) | a machine of EC2 (`ON=ec2`) |
|---|---|---|
| for | several machines, tuning, spot | one run for less; types that SageMaker has not |
| machines | one to eight, by `INSTANCES=` | one |
| tuning | `make tune` | no |
| spot | yes, goes on from the last checkpoint | no |
| set up | nothing | a subnet with a way out, in the stage's file |
| starts with | an image with torch | with a GPU the same; else it installs torch first |
| seen by | its metrics and log in the console, profile of the machines | its log |
| quotas | of SageMaker, for each type, often 0 in a new account | of EC2, by vCPU |
| ends | by SageMaker | by itself, or by a function that looks every ten minutes |

Both are billed by the second. The same hardware, an hour:

| type | SageMaker | EC2 | EC2 costs less by |
|---|---|---|---|
"""
_PRESETS: Final = """
An hour of training by each preset. Machines that share the work of one model need less time, and
cost more than one machine would:

| preset | a job of SageMaker | a machine of EC2 |
|---|---|---|
"""
_SERVING: Final = """
## To serve

Whippet serves with SageMaker alone. A month with {kind}:

| | USD |
|---|---|
| endpoint of one {kind} | {endpoint:.2f} |
| one {machine} of EC2 | {one:.2f} |
| two of them and a load balancer, so that one may fail | {two:.2f} |

The price difference of an instance buys what a team would otherwise build and operate: instances
that fail are replaced, an update starts beside what serves and is rolled back by alarms, the fleet
follows the traffic, callers need a permission of IAM, and requests are measured. EC2 is for what an
endpoint cannot do: requests above 25 MB, other protocols than HTTP, a process that keeps state. For
little traffic neither is the cheapest: a [serverless endpoint](serving.md) costs nothing between
requests.
"""


def machines_document(stages: Sequence[PresetStage]) -> str:
    """Return the content of docs/sagemaker-or-ec2.md.

    Args:
        stages: one of each preset.
    """
    kinds = "".join(map(_kind, prices.MACHINE_HOUR))
    presets = "".join(map(_preset, stages))
    machine = _SERVED_BY.removeprefix("ml.")
    hour = prices.MACHINE_HOUR[machine].dollars
    serving = _SERVING.format(
        kind=_SERVED_BY,
        machine=machine,
        endpoint=HOURS_A_MONTH * prices.INSTANCE_HOUR[_SERVED_BY].dollars,
        one=HOURS_A_MONTH * hour,
        two=HOURS_A_MONTH * (2 * hour + prices.LOAD_BALANCER_HOUR.dollars),
    )
    return f"{_INTRODUCTION}{kinds}{_PRESETS}{presets}{serving}"


def _kind(machine: str) -> str:
    price = prices.MACHINE_HOUR[machine]
    job = prices.TRAINING_HOUR.get(f"ml.{machine}")
    if job is None:
        return f"| {machine} | not there | {price_text(price)} | |\n"
    less = f"{1 - price.dollars / job.dollars:.0%}"
    return f"| {machine} | {price_text(job)} | {price_text(price)} | {less} |\n"


def _preset(stage: PresetStage) -> str:
    training, trainer = stage.settings.training, stage.settings.ec2_trainer
    count, kind = training.instance_count, training.instance_type
    price = prices.TRAINING_HOUR[kind]
    job = price_text(Price(count * price.dollars, price.as_of))
    machine = price_text(prices.MACHINE_HOUR[trainer.instance_type])
    return (
        f"| `{stage.preset}` | {job} for {count} {kind} | {machine} for {trainer.instance_type} |\n"
    )
