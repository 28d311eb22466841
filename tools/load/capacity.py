"""`make load MEASURE=1`: measures what one instance can respond to."""

import math
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from tools.console import ToolError
from tools.load.destination import Stage
from tools.load.generator import Load
from tools.load.instances import InstanceWatch
from tools.load.measure import MIN_REQUESTS, Step, find_capacity, judge
from tools.load.options import MAX_RATE
from tools.load.outcomes import Outcome, grouped
from tools.load.sending import send
from tools.load.served import refuse_other_than_one
from tools.status_line import say

# Slower models are not served by an API with a timeout of seconds.
_MIN_RATE = 0.5
_MAX_LATE_SHARE = 0.01
# The steps that find_capacity takes at most, each at the highest rate: rising ones together are as
# long as two of these.
_STEPS, _LONGEST = 24, 18


class Measurement:
    """Tries rates on a stage with one instance.

    Args:
        stage: the deployed stage.
        images: files and their media types.
        seconds: of a step.
        watch: has the number of instances.
    """

    def __init__(
        self,
        stage: Stage,
        images: tuple[tuple[Path, str], ...],
        seconds: float,
        watch: InstanceWatch,
    ) -> None:
        self._stage = stage
        self._images = images
        self._seconds = seconds
        self._watch = watch
        self.outcomes: list[Outcome] = []

    def find(self, first_rate: float) -> float:
        """Return the highest rate that one instance sustains, in requests a second.

        Args:
            first_rate: of the first step.
        """
        first = min(max(first_rate, _MIN_RATE), MAX_RATE / 2)
        return find_capacity(self._try, first=first, smallest=_MIN_RATE, largest=MAX_RATE)

    def _try(self, rate: float, steps: int) -> Step:
        requests = max(MIN_REQUESTS, round(steps * self._seconds * rate))
        load = Load(rate=rate, requests=requests, images=self._images)
        sent = send(self._stage.destination(), load, self._watch, shows_progress=False)
        self.outcomes += sent.outcomes
        if sent.was_stopped:
            raise ToolError("Stopped: nothing was written.")
        self._check(rate, sent.outcomes)
        limit_ms = self._stage.settings.serving.rollback_model_latency_p99_ms
        step = judge(rate, sent.outcomes, limit_ms=limit_ms)
        late = sum(each.is_late for each in sent.outcomes) / len(sent.outcomes)
        if late > _MAX_LATE_SHARE and step.problem is None:
            step = replace(step, problem=self._describe_late(rate, late))
        say(_describe(step, requests, sent.outcomes))
        return step

    def _check(self, rate: float, outcomes: list[Outcome]) -> None:
        """Raise an error if the step says nothing about one instance."""
        refuse_other_than_one(self._stage.settings.stage, self._watch.instances)
        throttled = [each for each in outcomes if each.status == HTTPStatus.TOO_MANY_REQUESTS]
        if throttled and self._stage.api is not None:
            raise ToolError(
                f"The API refused requests with 429 at {rate:.3g} a second, so its limits were "
                "reached before the instance's: measure with TARGET=endpoint."
            )

    def _describe_late(self, rate: float, share: float) -> str:
        """Return why a rate is not sustained that this machine could not send.

        Raises:
            ToolError: the endpoint is on other machines, so nothing is known about it.
        """
        text = f"this machine started {100 * share:.0f} % of the requests late"
        if self._stage.settings.stage == "local":
            return f"{text}, which also runs the endpoint"
        raise ToolError(
            f"At {rate:.3g} a second {text}: measure from a faster one, which does nothing else."
        )


def planned_requests(seconds: float) -> tuple[int, float]:
    """Return how many requests a measurement sends at most, and in how many minutes.

    Args:
        seconds: of a step.
    """
    return round(_LONGEST * seconds * MAX_RATE), _STEPS * seconds / 60


def _describe(step: Step, requests: int, outcomes: list[Outcome]) -> str:
    latency = "no response" if math.isinf(step.latency_ms) else f"p99 {step.latency_ms:.0f} ms"
    failed = [group for group in grouped(outcomes) if group.first_error]
    error = f" ({failed[0].status}: {failed[0].first_error[:80]})" if failed else ""
    return (
        f"  {step.rate:>6.1f} a second, {requests} requests: {latency}: "
        f"{step.problem or 'sustained'}{error}"
    )
