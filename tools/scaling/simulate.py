"""`make scaling TRACE=...`: what the scaling settings of a stage do with some traffic.

Prints instances, rejected requests and instance hours for instances that take 3, 5 and 10 minutes
to start, and recommends settings. The decisions are our reading of AWS's rules, the same that the
local cloud follows. A trace without a date begins on a Monday at 00:00 UTC.
"""

import argparse
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from local_cloud.autoscaling.policy import Bounds, TargetTracking
from local_cloud.clock import AWS_MINUTE_SECONDS
from stacks.components.serving.model_choice import choose_model
from stacks.components.serving.scaling_warning import warn_of_other_measurement
from stacks.errors import UserError
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.local.deployment import add_deployment, read_local_deployment
from tools.make_variables import MakeParser, number_between
from tools.paths import short_path
from tools.scaling.advice import CONCURRENCY_TARGET, advise, explain_start, explain_targets
from tools.scaling.drawing import draw
from tools.scaling.report import (
    heading,
    recommendation,
    recommended_schedule,
    table,
)
from tools.scaling.schedule_advice import advise_schedule, repeats_daily
from tools.scaling.simulation import PERIOD_SECONDS, Outcome, Plan, simulate
from tools.scaling.stage_trace import DAYS, trace_of_stage
from tools.scaling.timetable import MONDAY, timetable
from tools.scaling.traces import SHAPES, Trace, read_trace, shaped
from tools.stage_access import LOCAL, clients_of
from tools.svg import write

_START_MINUTES = (3, 5, 10)
_OF_THE_STAGE = "stage"
_DRAWING = ROOT / "build" / "scaling.svg"
_POSITIVE = number_between(0, 1_000_000, above=True)
_VARIABLES = {
    "--stage": "STAGE",
    "--trace": "TRACE",
    "--capacity": "CAPACITY",
    "--peak": "PEAK",
    "--target": "TARGET",
}


def main() -> None:
    """Simulate, print the table and the advice, and draw the drawing."""
    arguments = _parser().parse()
    settings = read_stage(arguments.stage, arguments.deployment)
    serving = settings.serving
    if serving.is_serverless:
        raise ToolError(
            f"The stage {settings.stage} has serving.mode = 'serverless': SageMaker starts and "
            "stops its containers itself, and no setting scales them. serving."
            "serverless_max_concurrency limits how many run at once; expected a stage whose mode "
            "is instances."
        )
    capacity = arguments.capacity or serving.measured_capacity_per_second
    if capacity is None:
        raise ToolError(
            "How many requests a second one instance can respond to is not known: `make load "
            f"STAGE={settings.stage} MEASURE=1` measures it and writes "
            f"serving.measured_capacity_per_second into config/{settings.stage}.toml; or give "
            "CAPACITY=."
        )
    if not arguments.capacity:
        _warn_of_measurement(settings)
    trace, start = _trace(arguments, settings, capacity)
    plan = _plan(serving, arguments.target, start=start, minutes=len(trace))
    print(heading(trace, capacity, plan))
    outcomes = _simulate(trace, plan, capacity)
    print(table(outcomes))
    print(explain_start(outcomes, trace, capacity))
    _recommend(trace, plan, capacity, start, repeats=arguments.trace == "day")
    print("\n" + "\n".join(explain_targets(capacity)))
    write(
        arguments.output,
        draw(outcomes[_START_MINUTES[1]], capacity_per_second=capacity, title=f"{arguments.trace}"),
    )
    print(f"Drawing, of instances that start in 5 minutes: {short_path(arguments.output)}")


def _warn_of_measurement(settings: StageSettings) -> None:
    try:
        files = choose_model(ROOT, settings.stage, None).files
    except UserError:
        return  # without a model at hand, what the stage deploys is not known
    warn_of_other_measurement(settings, files)


def _plan(serving: ServingSettings, target: float | None, *, start: datetime, minutes: int) -> Plan:
    """Return the stage's own scaling."""
    policy = TargetTracking(
        target=target or serving.scaling_target_value,
        scale_out_cooldown_seconds=serving.scale_out_cooldown_seconds,
        scale_in_cooldown_seconds=serving.scale_in_cooldown_seconds,
        period_seconds=PERIOD_SECONDS[serving.scaling_target],
    )
    return Plan(
        kind=serving.scaling_target,
        policy=policy,
        bounds=Bounds(serving.min_instance_count, serving.max_instance_count),
        schedule=timetable(serving.capacity_schedule, start=start, minutes=minutes),
    )


def _recommend(
    trace: Trace, plan: Plan, capacity: float, start: datetime, *, repeats: bool
) -> None:
    """Print which settings suit the trace, and what they do.

    Args:
        trace: requests of each minute.
        plan: the stage's scaling.
        capacity: requests a second of one instance.
        start: of the trace.
        repeats: whether the trace is known to be that of every day.
    """
    advice = advise(trace, capacity)
    target = advice.target if plan.kind == "invocations" else CONCURRENCY_TARGET
    better = Plan(
        kind=plan.kind,
        policy=replace(plan.policy, target=target),
        bounds=Bounds(advice.minimum, advice.maximum),
    )
    print(recommendation(better))
    outcomes = _simulate(trace, better, capacity)
    print(table(outcomes))
    print(explain_start(outcomes, trace, capacity))
    if not (repeats or repeats_daily(trace)):
        print("\nNo schedule is recommended: the trace has no two days that are alike.")
        return
    entries = advise_schedule(
        trace, advice, per_instance_per_minute=advice.target, start=start
    )  # fmt: skip
    scheduled = replace(better, schedule=timetable(entries, start=start, minutes=len(trace)))
    print(
        recommended_schedule(entries, before=outcomes, after=_simulate(trace, scheduled, capacity))
    )


def _parser() -> MakeParser:
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.scaling.simulate", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument(
        "--trace",
        default="day",
        help=f"{', '.join(SHAPES)}, a CSV file with the columns minute and requests, or "
        f"`{_OF_THE_STAGE}`: the stage's last {DAYS} days in CloudWatch (%(default)s)",
    )
    parser.add_argument(
        "--capacity", type=_POSITIVE,
        help="requests a second of one instance (serving.measured_capacity_per_second)",
    )  # fmt: skip
    parser.add_argument(
        "--peak", type=_POSITIVE,
        help="requests a second of a shape's busiest minute (twice an instance's capacity)",
    )  # fmt: skip
    parser.add_argument(
        "--target", type=_POSITIVE,
        help="of an instance: invocations a minute, or concurrent requests (the stage's)",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=_DRAWING, help="the drawing, as SVG (build/scaling.svg)"
    )
    add_deployment(parser)
    return parser


def _trace(
    arguments: argparse.Namespace, settings: StageSettings, capacity: float
) -> tuple[Trace, datetime]:
    """Return the requests of each minute, and when the first minute begins."""
    if arguments.trace in SHAPES:
        return shaped(arguments.trace, arguments.peak or 2 * capacity), MONDAY
    if arguments.trace == _OF_THE_STAGE:
        client = clients_of(settings, arguments.deployment)
        if settings.stage == LOCAL:
            _check_minute(arguments.deployment)
        return trace_of_stage(client("cloudwatch"), settings.endpoint_name)
    if not Path(arguments.trace).exists():
        raise ToolError(
            f"TRACE={arguments.trace}: no such file; expected {', '.join(SHAPES)}, {_OF_THE_STAGE} "
            "or a CSV file"
        )
    return read_trace(Path(arguments.trace)), MONDAY


def _check_minute(deployment: Path) -> None:
    seconds = read_local_deployment(deployment).minute_seconds
    if seconds != AWS_MINUTE_SECONDS:
        raise ToolError(
            f"TRACE={_OF_THE_STAGE}: a minute of this local cloud lasts {seconds:g} s, expected "
            f"{AWS_MINUTE_SECONDS:g}: `make down`, then `make up`, and use the stage; or give a "
            "CSV file."
        )


def _simulate(trace: Trace, plan: Plan, capacity: float) -> dict[int, Outcome]:
    return {
        minutes: simulate(trace, plan, capacity_per_second=capacity, start_minutes=minutes)
        for minutes in _START_MINUTES
    }


if __name__ == "__main__":
    run_tool(main)
