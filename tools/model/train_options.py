"""The options of `make train` and `make tune`: what is trained on what, and where."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from classifier.artifact.samples import MAX_SAMPLES
from classifier.training.command_line import parse_options
from classifier.training.errors import TrainingError
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser
from tools.model.data_option import add_data, checked_data

HERE, SAGEMAKER, EC2 = PLACES = ("here", "sagemaker", "ec2")
MAX_INSTANCES: Final = 8
VARIABLES: Final = {
    "data": "DATA",
    "--backbone": "BACKBONE",
    "--mode": "MODE",
    "--weights": "WEIGHTS",
    "--quantize": "QUANTIZE",
    "--samples": "SAMPLES",
    "--restart": "RESTART",
    "--on": "ON",
    "--stage": "STAGE",
    "--name": "NAME",
    "--run": "RUN",
    "--instances": "INSTANCES",
    "--hyperparameters": "HYPERPARAMETERS",
}
# As the state machine expects them (stacks/components/training/execution_input.py).
_HYPERPARAMETER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=([A-Za-z0-9._:/=+@,-]+)")
# The stage says where a job reads and writes.
_OF_THE_JOB: Final = frozenset(
    {"train", "valid", "test", "data", "model_dir", "output_dir", "checkpoint_dir", "weights_file"}
)
_OF_SAGEMAKER: Final = "sagemaker_"
_OF_AWS: Final = ("name", "run", "instances", "hyperparameters")
_OF_HERE: Final = ("weights",)


def add_network(parser: MakeParser) -> None:
    """Add the options that say what is trained on which images."""
    add_data(parser)
    parser.add_argument(
        "--backbone",
        help="the network whose features are used, such as resnet50: any classifier of torchvision "
        "whose weights can be downloaded or are in its cache, or with --weights "
        "(efficientnet_lite0; for finetune resnet50)",
    )
    parser.add_argument(
        "--mode",
        choices=("head", "finetune"),
        default="head",
        help="head: train the last layer, in a minute for some thousand images; finetune: train "
        "every weight, in an hour (%(default)s)",
    )
    parser.add_argument(
        "--quantize",
        choices=("0", "1"),
        default="0",
        help="1: add an int8 network if its accuracy is that of fp32 (%(default)s)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=6,
        metavar="N",
        help=f"test images to show on the local page, as files in the model; 0 to {MAX_SAMPLES} "
        "(%(default)s)",
    )
    parser.add_argument("--check", action="store_true", help="check the options alone")


def add_run(parser: MakeParser) -> None:
    """Add the options of a run in a stage."""
    parser.add_argument("--stage", default="local", help="names config/<stage>.toml (%(default)s)")
    parser.add_argument("--name", help="of the dataset (default: that of the folder or zip)")
    parser.add_argument("--run", help="name of the run (default: the dataset's and the time)")
    parser.add_argument(
        "--instances",
        type=int,
        metavar="N",
        help=f"machines of a training job, 1 to {MAX_INSTANCES} (default: the stage's setting)",
    )
    parser.add_argument(
        "--hyperparameters",
        metavar='"NAME=VALUE ..."',
        help="other flags of train.py, such as 'epochs=5 batch_size=16' (train.py --help)",
    )
    add_deployment(parser)


def check_network(parser: MakeParser, arguments: argparse.Namespace) -> None:
    """Check what `add_network` added; exit with 2 after a message if a value is not valid."""
    arguments.data = checked_data(parser, arguments.data)
    if not 0 <= arguments.samples <= MAX_SAMPLES:
        parser.error(
            f"argument --samples: {arguments.samples}; expected a number from 0 to {MAX_SAMPLES}"
        )


def check_run(parser: MakeParser, arguments: argparse.Namespace) -> None:
    """Check what `add_run` added; exit with 2 after a message if a value is not valid."""
    if arguments.instances is not None and not 1 <= arguments.instances <= MAX_INSTANCES:
        parser.error(f"argument --instances: {arguments.instances}; expected 1 to {MAX_INSTANCES}")
    for text in (arguments.hyperparameters or "").split():
        if not _HYPERPARAMETER.fullmatch(text):
            parser.error(
                f"argument --hyperparameters: {text!r}; expected name=value, such as epochs=5, of "
                "letters, digits and . _ : / = + @ , -, with spaces between several"
            )
    for name in _named(arguments.hyperparameters or ""):
        if problem := hyperparameter_problem(name):
            parser.error(f"argument --hyperparameters: {problem}")
    if problem := value_problem(hyperparameters_of(arguments)):
        parser.error(f"argument --hyperparameters: {problem}")


def check_place(parser: MakeParser, arguments: argparse.Namespace) -> None:
    """Refuse options that the place of the training does not have."""
    is_here = arguments.on == HERE
    for name in _OF_AWS if is_here else _OF_HERE:
        if getattr(arguments, name) is not None:
            parser.error(
                f"argument --{name}: only with --on={SAGEMAKER} or {EC2}"
                if is_here
                else f"argument --{name}: not with --on={arguments.on}, where no file of this "
                "machine is; published weights are taken"
            )
    if arguments.on == EC2 and arguments.run is not None:
        parser.error(
            f"argument --run: not with --on={EC2}, whose job is named after the dataset and the "
            f"time; only with --on={SAGEMAKER}"
        )
    if not is_here and arguments.restart == "1":
        parser.error(f"argument --restart: not with --on={arguments.on}: each run begins anew")


def hyperparameter_problem(name: str) -> str | None:
    """Return why a job does not take a hyperparameter, or None.

    Args:
        name: of the hyperparameter, with `_` between its words.
    """
    if name not in _OF_THE_JOB and not name.startswith(_OF_SAGEMAKER):
        return None
    return (
        f"{name} is set by the stage, which says where a job reads and writes; expected other "
        "flags of train.py, such as epochs"
    )


def value_problem(hyperparameters: Mapping[str, str]) -> str | None:
    """Return why train.py would refuse its flags, or None; a job would only say so once it runs.

    Args:
        hyperparameters: all of the job.
    """
    flags = [f"--{name}={value}" for name, value in hyperparameters.items()]
    try:
        # Of the job's own flags only the one that is required; the folder is not read.
        parse_options([*flags, "--train=images"], {}, None)
    except TrainingError as error:
        return str(error)
    return None


def hyperparameters_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the hyperparameters of a job; those that were named override the others."""
    values = {"mode": arguments.mode, "samples": str(arguments.samples)}
    if arguments.backbone:
        values["architecture"] = arguments.backbone
    if arguments.quantize == "1":
        values["quantize"] = "true"
    return values | dict(_named(arguments.hyperparameters or ""))


def _named(text: str) -> Mapping[str, str]:
    found = (each.partition("=") for each in text.split())
    return {name.replace("-", "_"): value for name, _, value in found}


def absolute_weights(parser: MakeParser, weights: Path | None) -> Path | None:
    """Return the absolute path of the weights; exit with 2 after a message if there is no file."""
    if weights and not weights.is_file():
        parser.error(f"argument --weights: {weights} is no file; expected a state dict")
    return weights.absolute() if weights else None
