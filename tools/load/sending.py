"""Sends a load and shows its progress; Ctrl-C ends it early."""

import time
from dataclasses import dataclass

from tools.counted import counted
from tools.load.generator import Destination, Generator, Load
from tools.load.instances import InstanceWatch
from tools.load.outcomes import Outcome
from tools.status_line import say

_PROGRESS_SECONDS = 5.0
# For the requests in flight, whose timeout ends them.
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Sent:
    """A load that was sent.

    Attributes:
        outcomes: of its requests.
        was_stopped: whether Ctrl-C ended it early.
    """

    outcomes: list[Outcome]
    was_stopped: bool


def send(
    destination: Destination, load: Load, watch: InstanceWatch, *, shows_progress: bool = True
) -> Sent:
    """Send requests and return what became of them.

    Args:
        destination: where they go.
        load: what is sent.
        watch: has the number of instances.
        shows_progress: whether to print a line every five seconds.

    Raises:
        ToolError: the program that sends them failed.
        KeyboardInterrupt: Ctrl-C came a second time.
    """
    outcomes: list[Outcome] = []
    generator = Generator(destination, load, outcomes.append)
    shown = time.monotonic()
    was_stopped = False
    try:
        while True:
            try:
                if generator.wait(_POLL_SECONDS):
                    return Sent(outcomes, was_stopped)
                now = time.monotonic()
                if shows_progress and now - shown >= _PROGRESS_SECONDS:
                    shown = now
                    say(_progress(now, outcomes, load, watch))
            except KeyboardInterrupt:
                if was_stopped:
                    raise
                was_stopped = True
                say("  Stopping: requests in flight have 5 s. Ctrl-C again ends at once.")
                generator.stop()
    finally:
        generator.kill()


def _progress(now: float, outcomes: list[Outcome], load: Load, watch: InstanceWatch) -> str:
    found = list(outcomes)
    responses = sum(outcome.is_ok for outcome in found)
    seconds = now - min((outcome.scheduled for outcome in found), default=now)
    due = min(load.requests, round(seconds * load.rate))
    known = {None: "unknown", 0: "none"}  # a serverless endpoint has none
    instances = known.get(watch.instances, str(watch.instances))
    return (
        f"  {seconds:.0f} s: {due} to send at {load.rate:g} a second, "
        f"{counted(responses, 'response')}, {counted(len(found) - responses, 'other')}, "
        f"instances: {instances}"
    )
