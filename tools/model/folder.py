"""The option `--model` of tools that deploy to an account."""

import argparse
from pathlib import Path

from stacks.components.serving.demo import demo_problem
from stacks.components.serving.model_artifact import ModelArtifact, load_model_artifact
from stacks.components.serving.model_choice import choose_model
from stacks.errors import UserError
from stacks.settings.stage import StageSettings
from tools.cdk import ROOT
from tools.console import ToolError


def add_model_folder(parser: argparse.ArgumentParser) -> None:
    """Add the option `--model`."""
    parser.add_argument(
        "--model",
        type=Path,
        help="folder with model.tar.gz, its sha256 and manifest.json; by default the model that "
        "config/models/<stage>.toml names, or without that file the one in build/model",
    )


def read_model(stage: str, folder: Path | None) -> ModelArtifact:
    """Return the model that a stage deploys, after checking its hashes.

    Args:
        stage: name of the stage.
        folder: the artifact's folder; None: the lock decides, or else it is `build/model`.

    Raises:
        ToolError: the model is missing, damaged or not readable, or is not the lock's.
    """
    try:
        return choose_model(ROOT, stage, folder and folder.absolute())
    except UserError as error:
        raise ToolError(f"error: {error}") from error


def read_folder(folder: Path) -> ModelArtifact:
    """Return the model in a folder, after checking its hashes.

    Raises:
        ToolError: the model is missing, damaged or not readable.
    """
    try:
        return load_model_artifact(folder.absolute())
    except UserError as error:
        raise ToolError(f"error: {error}") from error


def model_context(folder: Path | None) -> list[str]:
    """Return the options of the CDK command line that name a model's folder."""
    return [] if folder is None else ["-c", f"model={folder.absolute()}"]


def refuse_demo(model: ModelArtifact, settings: StageSettings) -> None:
    """Reject the demo model for stages on AWS.

    Raises:
        ToolError: the model is the demo.
    """
    if problem := demo_problem(model, settings.stage):
        raise ToolError(f"error: {problem}")
