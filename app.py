"""Read the stage, load its settings, build the stacks, add the checks, synthesize."""

import sys
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import add_stacks
from stacks.errors import UserError
from stacks.inputs import load_inputs
from stacks.settings import load_stage_settings

REPOSITORY = Path(__file__).resolve().parent


def build(app: App) -> None:
    """Add the stage that the app's context names, and the checks that it must pass.

    Args:
        app: its context may have `stage` (default dev), `model` (default build/model) and
            `proxy` (default build/lambda), the last two being folders.

    Raises:
        UserError: the settings or the inputs are wrong.
    """
    settings = load_stage_settings(
        app.node.try_get_context("stage") or "dev", REPOSITORY / "config"
    )
    inputs = load_inputs(
        model_directory=REPOSITORY / (app.node.try_get_context("model") or "build/model"),
        proxy_directory=REPOSITORY / (app.node.try_get_context("proxy") or "build/lambda"),
        model_code_directory=REPOSITORY / "model_code",
    )
    add_stacks(app, settings=settings, inputs=inputs)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def main() -> int:
    """Synthesize; return 1 after one line on standard error when what was given is wrong."""
    app = App(analytics_reporting=False)
    try:
        build(app)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
