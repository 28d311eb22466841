"""The option `--model` of tools that deploy to an account."""

import argparse
from pathlib import Path

from stacks.components.serving.demo import demo_problem
from stacks.components.serving.model_artifact import ModelArtifact, load_model_artifact
from stacks.errors import UserError
from stacks.settings.stage import StageSettings
from tools.console import ToolError
from tools.model.default_models import MODEL_FOLDER


def add_model_folder(parser: argparse.ArgumentParser) -> None:
    """Add the option `--model`."""
    parser.add_argument(
        "--model",
        type=Path,
        default=MODEL_FOLDER,
        help="folder with model.tar.gz, its sha256 and manifest.json (%(default)s)",
    )


def read_model(folder: Path) -> ModelArtifact:
    """Return the model in a folder, after checking its hashes.

    Raises:
        ToolError: the model is missing, damaged or not readable.
    """
    try:
        return load_model_artifact(folder.absolute())
    except UserError as error:
        raise ToolError(f"error: {error}") from error


def refuse_demo(model: ModelArtifact, settings: StageSettings) -> None:
    """Reject the demo model for stages on AWS.

    Raises:
        ToolError: the model is the demo.
    """
    if problem := demo_problem(model, settings.stage):
        raise ToolError(f"error: {problem}")
