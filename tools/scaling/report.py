"""What `make scaling` prints."""

from collections.abc import Sequence
from typing import Final

from stacks.settings.capacity_schedule import CapacitySchedule
from tools.counted import counted
from tools.scaling.advice import SAFETY_FACTOR
from tools.scaling.simulation import Outcome, Plan

# Less is not worth a schedule: a share of the instance hours, and of the requests in percent.
_SAVED_HOURS: Final = 0.01
_SAVED_PERCENT: Final = 0.005


def heading(trace: Sequence[float], capacity: float, plan: Plan) -> str:
    """Return what is simulated.

    Args:
        trace: requests of each minute.
        capacity: requests a second of one instance.
        plan: the stage's scaling.
    """
    scheduled = ", with the stage's capacity_schedule" if plan.schedule else ""
    text = (
        f"{len(trace) / 60:.1f} hours, {sum(trace):,.0f} requests, at most {max(trace) / 60:.1f} a "
        f"second; one instance: {capacity:g} a second.\n"
        f"Settings: {plan.bounds.minimum} to {counted(plan.bounds.maximum, 'instance')}, "
        f"{_target(plan, capacity)}{scheduled}."
    )
    if plan.kind == "concurrent_requests":
        text += (
            "\nAssumed of an instance: it works on one request at a time, each takes "
            f"1 / {capacity:g} s, and requests come at random. By Little's law use / (1 - use) are "
            "in flight, and 16 where there are more than it can respond to. One that works on "
            "several at a time has as many times more in flight."
        )
    return text


def table(outcomes: dict[int, Outcome]) -> str:
    """Return one row for each time that an instance takes to start."""
    rows = [
        f"  {start:>7} min  {outcome.most_instances:>4}  {outcome.changes:>7}  "
        f"{outcome.instance_hours:>14.1f}  {100 * outcome.rejected_share:>7.2f} %"
        for start, outcome in outcomes.items()
    ]
    return "\n".join(["  start to ready  most  changes  instance hours  rejected", *rows])


def recommendation(plan: Plan) -> str:
    """Return the recommended target and bounds."""
    target = plan.policy.target
    named = (
        f"target_invocations_per_instance_per_minute = {target:g} (capacity x {SAFETY_FACTOR:g} x "
        "60)"
        if plan.kind == "invocations"
        else f"target_concurrent_requests_per_instance = {target:g} (an instance is in use half of "
        "the time)"
    )
    return (
        f"\nRecommended for few instance hours: {named}, "
        f"min_instance_count = {plan.bounds.minimum}, max_instance_count = {plan.bounds.maximum}"
    )


def recommended_schedule(
    entries: Sequence[CapacitySchedule], *, before: dict[int, Outcome], after: dict[int, Outcome]
) -> str:
    """Return the schedule if it saves requests or instance hours, else that none does.

    Args:
        entries: the schedule.
        before: the outcomes without it, by the minutes that an instance takes to start.
        after: those with it.
    """
    slowest = max(before)
    rejected = [100 * each[slowest].rejected_share for each in (before, after)]
    hours = [each[slowest].instance_hours for each in (before, after)]
    saves_requests = rejected[0] - rejected[1] >= _SAVED_PERCENT
    if not entries or not (saves_requests or hours[0] - hours[1] >= _SAVED_HOURS * hours[0]):
        return (
            "\nNo schedule is recommended: the days are alike, but it would save neither requests "
            "nor instance hours."
        )
    tables = "\n".join(
        f"[[serving.capacity_schedule]]\ncron = {entry.cron!r}\ntime_zone = {entry.time_zone!r}\n"
        f"min_instance_count = {entry.min_instance_count}\n"
        f"max_instance_count = {entry.max_instance_count}"
        for entry in entries
    )
    return (
        f"\nRecommended schedule, for days that are alike: {rejected[1]:.2f} % of the requests "
        f"exceed the capacity instead of {rejected[0]:.2f} % if an instance takes {slowest} "
        f"minutes to start, in {hours[1]:.1f} instance hours instead of {hours[0]:.1f}.\n"
        f"{table(after)}\n{tables}"
    ).replace("'", '"')


def _target(plan: Plan, capacity: float) -> str:
    target = plan.policy.target
    if plan.kind == "invocations":
        share = 100 * target / 60 / capacity
        return f"target {target:g} a minute ({share:.0f} % of an instance)"
    share = 100 * target / (target + 1)
    return f"target {target:g} concurrent requests ({share:.0f} % of an instance)"
