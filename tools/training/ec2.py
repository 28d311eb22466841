"""`make train ON=ec2`: train on one machine of EC2, which ends itself, and follow its log.

The machine runs `instance_src/` (docs/ec2-trainer.md): it reads the job that is written here, and
writes its result where it is looked for here.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.components.training.execution_input import MAX_NAME_LENGTH
from stacks.names import (
    EC2_JOB_TAG,
    EC2_LAUNCH_TEMPLATE_OUTPUT,
    EC2_LOG_GROUP_OUTPUT,
    EC2_TRAINER_TAG,
    MODEL_PREFIX,
)
from tools.aws import find_stack, is_missing_object, stack_outputs
from tools.console import ToolError
from tools.executions import default_run_name
from tools.stage_access import LOCAL, deploy_command
from tools.status_line import status_line
from tools.terminal import printable
from tools.training.commit import current_commit
from tools.training.dataset import PublishedDataset
from tools.training.packages import read_package
from tools.training.stage import TrainingStage

_POLL_SECONDS: Final = 5.0
_ENDED: Final = {"shutting-down", "terminated", "stopping", "stopped"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine that trains.

    Attributes:
        instance_id: of EC2.
        job: name of its job, and of its log stream.
        log_group: name of the log group.
    """

    instance_id: str
    job: str
    log_group: str


def check_trainer(stage: TrainingStage) -> None:
    """Check that a stage has machines that train.

    Raises:
        ToolError: it has none.
    """
    settings = stage.settings
    if settings.stage == LOCAL:
        raise ToolError(
            "ON=ec2: the local cloud boots no machines; train there with ON=sagemaker, whose jobs "
            "are processes, or name a stage in an account with STAGE."
        )
    if not settings.ec2_trainer.enabled:
        raise ToolError(
            f"ON=ec2: the stage {settings.stage} has no machines: set vpc_id and subnet_id in "
            f"[ec2_trainer] of config/{settings.stage}.toml (docs/ec2-trainer.md), then "
            f"`{deploy_command(settings.stage)}`."
        )


def train_on_ec2(
    stage: TrainingStage, dataset: PublishedDataset, hyperparameters: Mapping[str, str]
) -> None:
    """Train on a machine and wait; return when a package is registered.

    Args:
        stage: that `check_trainer` accepts.
        dataset: in the stage's bucket.
        hyperparameters: flags of train.py.

    Raises:
        ToolError: the job registered no package.
        KeyboardInterrupt: Ctrl-C; the machine goes on.
    """
    settings = stage.settings
    machine = start_machine(stage, dataset, hyperparameters)
    print(
        f"Machine {machine.instance_id} runs {machine.job}; it ends itself, at the latest after "
        f"{settings.ec2_trainer.limit_minutes} minutes."
    )
    try:
        arn = follow(stage, machine)
    except KeyboardInterrupt:
        print(
            f"\nYou no longer watch {machine.job}, which goes on without this terminal.\n"
            f"  End it: aws ec2 terminate-instances --instance-ids {machine.instance_id}"
        )
        raise
    package = read_package(stage.client("sagemaker"), arn)
    print(
        f"\n{package.group} has package {package.version}, {package.status}.\n"
        f"  Compare: make models{stage.option}\n"
        f"  Approve: make approve VERSION={package.version}{stage.option}"
    )


def start_machine(
    stage: TrainingStage, dataset: PublishedDataset, hyperparameters: Mapping[str, str]
) -> Machine:
    """Write a job and start a machine for it.

    Raises:
        ToolError: the stage's stack has no launch template yet.
    """
    settings = stage.settings
    outputs = stack_outputs(
        find_stack(stage.client("cloudformation"), f"{settings.name}-training") or {}
    )
    if EC2_LAUNCH_TEMPLATE_OUTPUT not in outputs:
        raise ToolError(
            f"The stack {settings.name}-training has no launch template yet: run "
            f"`{deploy_command(settings.stage)}`."
        )
    job = default_run_name(dataset.name, MAX_NAME_LENGTH)
    description = {
        "dataset_prefix": dataset.prefix,
        "splits": list(dataset.splits),
        "hyperparameters": dict(hyperparameters),
        "data_version": dataset.version,
        "commit": current_commit(),
    }
    stage.client("s3").put_object(
        Bucket=stage.datasets_bucket,
        Key=f"jobs/{job}.json",
        Body=json.dumps(description).encode(),
        ContentType="application/json",
    )
    tags = {
        "Name": f"{settings.name}-trainer",
        EC2_TRAINER_TAG: settings.name,
        EC2_JOB_TAG: job,
    }
    started = stage.client("ec2").run_instances(
        # CloudFormation updates a template by a new version, and leaves the default one.
        LaunchTemplate={
            "LaunchTemplateId": outputs[EC2_LAUNCH_TEMPLATE_OUTPUT],
            "Version": "$Latest",
        },
        MinCount=1,
        MaxCount=1,
        ClientToken=job,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )
    return Machine(
        instance_id=started["Instances"][0]["InstanceId"],
        job=job,
        log_group=outputs[EC2_LOG_GROUP_OUTPUT],
    )


def follow(stage: TrainingStage, machine: Machine, *, poll_seconds: float = _POLL_SECONDS) -> str:
    """Print a machine's log until its job has ended; return the ARN of the package.

    Args:
        stage: of the machine.
        machine: that trains.
        poll_seconds: how often to look.

    Raises:
        ToolError: there is no package; the message says why.
    """
    result = _result_of(stage, machine, poll_seconds)
    if "model_package_arn" not in result:
        raise ToolError(
            f"{machine.job} registered nothing: {printable(result.get('failure', 'no reason'))}\n"
            f"The whole log: log group {machine.log_group}, stream {machine.job}"
        )
    return result["model_package_arn"]


def _result_of(stage: TrainingStage, machine: Machine, poll_seconds: float) -> dict[str, str]:
    log = _Log(stage.client("logs"), machine)
    began, state = time.monotonic(), "pending"

    def so_far() -> str:
        seconds = time.monotonic() - began
        return f"  The machine {machine.instance_id} is {state}, {seconds:.0f} s so far"

    with status_line(so_far) as status:
        while True:
            # In this order: what a machine wrote before its end is read.
            state = _state(stage.client("ec2"), machine.instance_id)
            result = _result(stage, machine.job)
            for line in log.new_lines():
                status.say(printable(line))
            if result is not None:
                return result
            if state in _ENDED:
                raise ToolError(
                    f"The machine {machine.instance_id} is {state}, and {machine.job} has no "
                    "result. What its system printed, for about an hour: aws ec2 "
                    f"get-console-output --latest --instance-id {machine.instance_id}"
                )
            time.sleep(poll_seconds)


class _Log:
    def __init__(self, logs: Any, machine: Machine) -> None:
        self._logs, self._machine = logs, machine
        self._token: str | None = None

    def new_lines(self) -> Iterator[str]:
        """Yield the lines since the last call; none before the machine has begun its log."""
        while True:
            position = {"nextToken": self._token} if self._token else {}
            try:
                page = self._logs.get_log_events(
                    logGroupName=self._machine.log_group,
                    logStreamName=self._machine.job,
                    startFromHead=True,
                    **position,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
                return
            yield from (event["message"] for event in page["events"])
            if page["nextForwardToken"] == self._token:
                return
            self._token = page["nextForwardToken"]


def _state(ec2: Any, instance_id: str) -> str:
    try:
        found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    except ClientError as error:
        # EC2 does not know a new instance everywhere at once.
        if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
            raise
        return "pending"
    state: str = found[0]["Instances"][0]["State"]["Name"] if found else "pending"
    return state


def _result(stage: TrainingStage, job: str) -> dict[str, str] | None:
    try:
        found = stage.client("s3").get_object(
            Bucket=stage.models_bucket, Key=f"{MODEL_PREFIX}/{job}/output/result.json"
        )
    except ClientError as error:
        if not is_missing_object(error):
            raise
        return None
    result: dict[str, str] = json.loads(found["Body"].read())
    return result
