"""`make train ON=sagemaker|ec2`: upload what a run needs, start it and follow it to its end."""

import argparse
from typing import Any

from stacks.components.training.execution_input import MAX_NAME_LENGTH
from tools.console import EXIT_INTERRUPTED, ToolError
from tools.executions import default_run_name
from tools.model.train_options import EC2, hyperparameters_of
from tools.training.commit import current_commit
from tools.training.dataset import PublishedDataset, publish
from tools.training.ec2 import check_trainer, train_on_ec2
from tools.training.executions import check_run_name, start_execution
from tools.training.layout import check_name, default_name
from tools.training.stage import TrainingStage, open_stage
from tools.training.watch import watch
from tools.training.wheels import provide_wheels


def start(arguments: argparse.Namespace) -> int:
    """Train in a stage.

    Args:
        arguments: the options of `make train`, checked.

    Returns:
        0 if a package was registered, 130 after Ctrl-C.

    Raises:
        ToolError: nothing was registered; the message says why.
    """
    if arguments.on == EC2:
        return _start_on_ec2(arguments)
    return start_run(arguments, tuning=None)


def start_run(arguments: argparse.Namespace, tuning: dict[str, Any] | None) -> int:
    """Upload the dataset and the packages, start an execution and watch it.

    Args:
        arguments: the options of `make train` or `make tune`.
        tuning: of the execution's input, or None.

    Returns:
        As `start`.
    """
    _check_names(arguments)
    try:
        stage = open_stage(arguments.stage, arguments.deployment)
        dataset = _publish(stage, arguments)
        if stage.settings.training.packages == "wheels":
            provide_wheels(stage)
    except KeyboardInterrupt:
        print(
            "\nStopped; nothing was started. What was uploaded is kept: the same command goes on."
        )
        return EXIT_INTERRUPTED
    name = arguments.run or default_run_name(dataset.name, MAX_NAME_LENGTH)
    arn = start_execution(stage, name, _input(arguments, dataset, tuning))
    print(f"Run {name} of the stage {stage.settings.stage}; Ctrl-C ends only the watching.")
    return watch(stage, arn)


def _start_on_ec2(arguments: argparse.Namespace) -> int:
    _check_names(arguments)
    if arguments.instances not in {None, 1}:
        raise ToolError(
            f"INSTANCES={arguments.instances}: ON=ec2 trains on one machine; ON=sagemaker trains "
            "on several."
        )
    stage = open_stage(arguments.stage, arguments.deployment)
    check_trainer(stage)
    dataset = _publish(stage, arguments)
    train_on_ec2(stage, dataset, hyperparameters_of(arguments))
    return 0


def _check_names(arguments: argparse.Namespace) -> None:
    for variable, problem in (
        ("NAME", arguments.name and check_name(arguments.name)),
        ("RUN", arguments.run and check_run_name(arguments.run)),
    ):
        if problem:
            raise ToolError(f"{variable}: {problem}")


def _publish(stage: TrainingStage, arguments: argparse.Namespace) -> PublishedDataset:
    return publish(stage, arguments.data, arguments.name or default_name(arguments.data))


def _input(
    arguments: argparse.Namespace, dataset: PublishedDataset, tuning: dict[str, Any] | None
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "dataset_prefix": dataset.prefix,
        "splits": list(dataset.splits),
        "hyperparameters": hyperparameters_of(arguments),
        "data_version": dataset.version,
        "commit": current_commit(),
    }
    if arguments.instances is not None:
        content["instances"] = arguments.instances
    if tuning is not None:
        content["tuning"] = tuning
    return content
