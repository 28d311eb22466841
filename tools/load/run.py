"""`make load`: send images to a stage at a steady rate, and report latencies, errors and instances.

Each request starts at its time, whether or not earlier ones have ended (an open loop). With
`MEASURE=1` it finds what one instance can respond to, and writes that into the stage's file.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.account.account import read_stage
from tools.console import EXIT_INTERRUPTED, run_tool
from tools.counted import counted
from tools.load.announcement import announce, confirm
from tools.load.capacity import Measurement, planned_requests
from tools.load.cost import Planned
from tools.load.destination import Stage, find_stage
from tools.load.generator import Load
from tools.load.images import choose_images, with_media_types
from tools.load.instances import InstanceWatch
from tools.load.options import MAX_RATE, parse_options
from tools.load.outcomes import Outcome
from tools.load.plot import draw_load
from tools.load.report import describe_instances, describe_outcomes, write_trace
from tools.load.sending import send
from tools.load.served import Served, check_one_instance, describe_measured, read_served
from tools.load.stage_file import write_capacity
from tools.paths import short_path
from tools.scaling.advice import SAFETY_FACTOR, formula_target
from tools.svg import write

# On AWS, the rate of DescribeEndpoint is limited for the whole account.
_WATCH_SECONDS = 5.0
_LOCAL_WATCH_SECONDS = 0.5
_FIRST_SHARE = 0.5

Images = tuple[tuple[Path, str], ...]


def main() -> int:
    """Send and report, or measure; return the exit status."""
    options = parse_options(__doc__)
    settings = read_stage(options.stage, options.deployment, options.config)
    through_api = options.target == "api"
    stage = find_stage(settings, through_api=through_api, deployment=options.deployment)
    served = read_served(stage.client("sagemaker"), settings)
    if options.measure:
        check_one_instance(served, settings.stage)
    found, description = choose_images(options.images, served.version, options.model)
    images = with_media_types(found)
    planned = Planned(
        requests=0,
        minutes=options.minutes,
        image_bytes=sum(path.stat().st_size for path, _ in images) / len(images),
        seconds_a_request=stage.probe(*images[0]),
        through_api=through_api,
        instances=served.instances,
    )
    description = f"Images: {description}."
    if options.measure:
        return _measure(options, stage, planned, images, description, served)
    return _send(options, stage, planned, images, description)


def _send(
    options: argparse.Namespace, stage: Stage, planned: Planned, images: Images, description: str
) -> int:
    seconds = 60 * options.minutes
    load = Load(rate=options.rate, requests=max(1, round(seconds * options.rate)), images=images)
    print(
        f"Sends {counted(load.requests, 'request')} in {seconds:.0f} s, {load.rate:g} a second, to "
        f"{_name(options)}.\n{description}"
    )
    announce(stage.settings, replace(planned, requests=load.requests), rate=load.rate)
    confirm(stage.settings, yes=options.yes)
    with _watch(stage) as watch:
        sent = send(stage.destination(), load, watch)
    outcomes = sent.outcomes
    if not outcomes:
        print("No request was sent.")
        return EXIT_INTERRUPTED
    print(f"Sent: {len(outcomes):,} of {counted(load.requests, 'request')}.")
    print(describe_outcomes(outcomes))
    print(describe_instances(watch, min(outcome.scheduled for outcome in outcomes)))
    title = f"{stage.settings.stage}: {load.rate:g} requests a second to {_name(options)}"
    _write_plot(options, outcomes, watch, title)
    print(write_trace(options.output.with_suffix(".csv"), outcomes, stage.minute_seconds))
    if sent.was_stopped:
        return EXIT_INTERRUPTED
    if any(outcome.is_ok for outcome in outcomes):
        return 0
    print("No request succeeded.")
    return 1


def _measure(
    options: argparse.Namespace,
    stage: Stage,
    planned: Planned,
    images: Images,
    description: str,
    served: Served,
) -> int:
    settings = stage.settings
    measured_on = describe_measured(settings, served, options.model)
    seconds = 60 * options.minutes
    requests, minutes = planned_requests(seconds)
    # An instance does at least this; each step less ends the measurement earlier, before scaling
    # adds an instance.
    first = options.rate or _FIRST_SHARE / planned.seconds_a_request
    print(
        f"Measures {measured_on}: steps of {seconds:.0f} s from {first:.3g} requests a second, to "
        f"{_name(options)}; at most {requests:,} requests, mostly far fewer.\n{description}"
    )
    announce(settings, replace(planned, requests=requests, minutes=minutes), rate=MAX_RATE)
    confirm(settings, yes=options.yes)
    with _watch(stage) as watch:
        measurement = Measurement(stage, images, seconds, watch)
        try:
            capacity = measurement.find(first)
        finally:
            if measurement.outcomes:
                title = f"{settings.stage}: capacity of {measured_on}"
                _write_plot(options, measurement.outcomes, watch, title)
    written = write_capacity(options.config / f"{settings.stage}.toml", capacity, measured_on)
    print(
        f"One instance responds to {written:g} requests a second. AWS's formula for "
        f"target_invocations_per_instance_per_minute: {written:g} x {SAFETY_FACTOR:g} x 60 = "
        f"{formula_target(written):.0f}; see `make scaling STAGE={settings.stage}`."
    )
    return 0


def _watch(stage: Stage) -> InstanceWatch:
    is_local = stage.settings.stage == "local"
    interval = _LOCAL_WATCH_SECONDS if is_local else _WATCH_SECONDS
    return InstanceWatch(stage.client("sagemaker"), stage.settings.endpoint_name, interval)


def _write_plot(
    options: argparse.Namespace, outcomes: Sequence[Outcome], watch: InstanceWatch, title: str
) -> None:
    file: Path = options.output.with_suffix(".svg")
    write(file, draw_load(outcomes, watch.samples, title))
    print(f"Plot: {short_path(file)}")


def _name(options: argparse.Namespace) -> str:
    return "the API" if options.target == "api" else "the endpoint"


if __name__ == "__main__":
    run_tool(main)
