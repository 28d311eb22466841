"""What a load test found, in words, and its files."""

import csv
from collections.abc import Sequence
from pathlib import Path

from local_cloud.clock import AWS_MINUTE_SECONDS
from tools.load.instances import InstanceWatch, Sample, changes
from tools.load.outcomes import (
    LATE_START_SECONDS,
    PERCENTILES,
    Outcome,
    grouped,
    latencies,
    percentile,
    requests_by_minute,
)
from tools.paths import short_path
from tools.terminal import printable

_MAX_SHOWN_CHANGES = 20
_ERROR_CHARACTERS = 160


def describe_outcomes(outcomes: Sequence[Outcome]) -> str:
    """Return the table of latencies and the one of statuses.

    Args:
        outcomes: of the requests, at least one.
    """
    found = latencies(outcomes)
    lines = ["Latency of the responses with 200, from the time at which each was to be sent:"]
    if found:
        columns = [(f"p{each}", percentile(found, each)) for each in PERCENTILES]
        columns.append(("max", max(found)))
        lines.append("  " + "".join(f"{name:>10}" for name, _ in columns))
        lines.append("  " + "".join(f"{1000 * value:>7.0f} ms" for _, value in columns))
    else:
        lines.append("  there is none")
    lines.append("  status  requests   share  first error")
    for group in grouped(outcomes):
        count = len(group.outcomes)
        error = printable(group.first_error)[:_ERROR_CHARACTERS]
        share = 100 * count / len(outcomes)
        lines.append(f"  {group.status:>6}  {count:>8}  {share:>5.1f} %  {error}".rstrip())
    late = sum(outcome.is_late for outcome in outcomes)
    skipped = sum(outcome.started is None for outcome in outcomes)
    if late or skipped:
        lines.append(
            f"Of these {late} started more than {1000 * LATE_START_SECONDS:.0f} ms late and "
            f"{skipped} not at all (-): this machine could not send at that rate, or too many "
            "requests waited for a response."
        )
    else:
        lines.append("Each request was started at its time.")
    return "\n".join(lines)


def describe_instances(watch: InstanceWatch, begin: float) -> str:
    """Return the number of instances over time, in words.

    Args:
        watch: has read the numbers.
        begin: the time of the first request.
    """
    samples: list[Sample] = watch.samples
    if not samples:
        return f"Instances: not known ({watch.problem})"
    if not any(sample.instances for sample in samples):
        return "Instances: none; SageMaker starts serverless containers for the requests"
    steps = [
        f"{sample.instances} at {max(0.0, sample.at - begin):.0f} s" for sample in changes(samples)
    ]
    shown = steps[:_MAX_SHOWN_CHANGES] + (["…"] if len(steps) > _MAX_SHOWN_CHANGES else [])
    text = "Instances in service: " + ", ".join(shown)
    return text if watch.problem is None else f"{text}; not always known ({watch.problem})"


def write_trace(file: Path, outcomes: Sequence[Outcome], minute_seconds: float) -> str:
    """Write the requests of each minute, and return what was written, in words.

    Args:
        file: a CSV file, as `make scaling TRACE=` reads it.
        outcomes: of the requests, at least one.
        minute_seconds: real seconds of a minute of the stage's scaling.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["minute", "requests"])
        writer.writerows(enumerate(requests_by_minute(outcomes, minute_seconds)))
    text = f"Requests by minute, for make scaling TRACE={short_path(file)}"
    if minute_seconds == AWS_MINUTE_SECONDS:
        return text
    return (
        f"{text}: a minute of this local cloud has {minute_seconds:g} s, so give CAPACITY= as "
        f"what an instance responds to in a second, times {minute_seconds / AWS_MINUTE_SECONDS:.4g}"
    )
