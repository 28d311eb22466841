"""`make watch RUN=name`: follow a run of the training state machine, or stop it.

Prints each state that it enters, and the states and the log of its job, until it has ended. Ctrl-C
ends only the watching.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from tools.account.errors import describe_aws_error
from tools.console import EXIT_INTERRUPTED, ToolError, run_tool
from tools.executions import Execution, describe_execution, execution_arn
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser
from tools.stage_access import LOCAL
from tools.status_line import status_line
from tools.terminal import printable
from tools.training.executions import check_run_name, stop_execution
from tools.training.failures import describe_failure
from tools.training.history import History, JobStarted, StateEntered, TaskRefused
from tools.training.job_progress import Line, TrainingJobProgress, TuningJobProgress
from tools.training.result import print_result
from tools.training.stage import TrainingStage, open_stage

_VARIABLES = {"run": "RUN", "--stage": "STAGE"}
_POLL_SECONDS: Final = 5.0
_LOCAL_POLL_SECONDS: Final = 0.5
_MAX_SHOWN: Final = 300


def main() -> int:
    """Watch or stop; return 0 only if a package was registered, or the run was stopped."""
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.training.watch", description=__doc__
    )
    parser.add_argument("run", help="name of the run, as `make train ON=sagemaker` printed it")
    parser.add_argument("--stage", default=LOCAL, help="names config/<stage>.toml (%(default)s)")
    parser.add_argument("--stop", action="store_true", help="stop the run and its job")
    add_deployment(parser)
    arguments = parser.parse()
    if problem := check_run_name(arguments.run):
        parser.error(f"argument run: {problem}")
    stage = open_stage(arguments.stage, arguments.deployment)
    arn = execution_arn(stage, arguments.run)
    if arguments.stop:
        return _stop(stage, arn)
    return watch(stage, arn)


def watch(stage: TrainingStage, arn: str) -> int:
    """Follow an execution to its end.

    Args:
        stage: that trains.
        arn: of the execution.

    Returns:
        0 if it registered a package; 130 after Ctrl-C.

    Raises:
        ToolError: it failed, was stopped, or there is none; the message is the cause.
    """
    name = arn.rpartition(":")[2]
    try:
        execution = _Watcher(stage, arn).follow()
    except KeyboardInterrupt:
        print(f"\n{_goes_on(stage, name)}")
        return EXIT_INTERRUPTED
    except (BotoCoreError, ClientError) as error:
        # The network is down, or the session has expired: the run knows nothing of it.
        raise ToolError(f"{describe_aws_error(error)}\n{_goes_on(stage, name)}") from error
    if execution.status != "SUCCEEDED":
        raise ToolError(describe_failure(stage, execution))
    print_result(stage, execution)
    return 0


def _goes_on(stage: TrainingStage, name: str) -> str:
    return (
        f"You no longer watch {name}, which goes on without this terminal.\n"
        f"  Watch it again: make watch RUN={name}{stage.option}\n"
        f"  Stop it:        make stop-training RUN={name}{stage.option}"
    )


@dataclass
class _Watcher:
    stage: TrainingStage
    arn: str
    _state: str = ""
    _jobs: dict[str, TrainingJobProgress | TuningJobProgress] = field(default_factory=dict)
    _started: datetime | None = None

    def follow(self) -> Execution:
        """Print what happens; return the execution when it has ended."""
        history = History(self.stage.client("stepfunctions"), self.arn)
        pause = _LOCAL_POLL_SECONDS if self.stage.settings.stage == LOCAL else _POLL_SECONDS
        with status_line(self._so_far) as status:
            while True:
                # Read first, so that what an execution did before its end is printed.
                execution = describe_execution(self.stage, self.arn)
                self._started = execution.started
                for line in self._new_lines(history):
                    status.say(f"{line.time.astimezone():%H:%M:%S}  {line.text}")
                if not execution.is_running:
                    return execution
                time.sleep(pause)

    def _new_lines(self, history: History) -> list[Line]:
        lines: list[Line] = []
        # The jobs of earlier events are read once, before the next event is shown: a long history
        # is not read at one request an event.
        has_read = False
        for event in history.new_events():
            if isinstance(event, (StateEntered, TaskRefused)) and not has_read:
                lines += self._lines_of_jobs()
                has_read = True
            if isinstance(event, StateEntered):
                self._state = event.name
                lines.append(Line(event.time, f"State {event.name}"))
            elif isinstance(event, TaskRefused):
                lines.append(Line(event.time, f"{event.error}: {_short(event.cause)}"))
            elif isinstance(event, JobStarted) and event.name not in self._jobs:
                kind = TuningJobProgress if event.is_tuning else TrainingJobProgress
                self._jobs[event.name] = kind(self.stage.client, event.name)
                has_read = False
        return lines + self._lines_of_jobs()

    def _lines_of_jobs(self) -> list[Line]:
        return [line for job in self._jobs.values() for line in job.new_lines()]

    def _so_far(self) -> str:
        now = datetime.now(UTC)
        seconds = (now - (self._started or now)).total_seconds()
        job = next(reversed([*self._jobs.values()]), None)
        status = f", {job.name}: {job.status or 'not created yet'}" if job else ""
        return f"{now.astimezone():%H:%M:%S}  {self._state}{status}, {seconds:.0f} s so far"


def _short(cause: str) -> str:
    """Return a cause; of a failed job, whose cause is its description in JSON, the reason."""
    try:
        job = json.loads(cause)
        cause = job["FailureReason"]
    except (ValueError, TypeError, KeyError):
        pass
    text = printable(cause)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _stop(stage: TrainingStage, arn: str) -> int:
    execution = describe_execution(stage, arn)
    if not execution.is_running:
        print(f"{execution.name} has ended already ({execution.status}).")
        return 0
    stop_execution(stage, arn)
    print(f"{execution.name} is stopped, and its job is being stopped.")
    return 0


if __name__ == "__main__":
    run_tool(main)
