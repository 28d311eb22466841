"""Read the stage, load its settings, build the stacks, add the checks, synthesize."""

import sys
from pathlib import Path

import stacks  # noqa: F401 - first, so that Ctrl-C prints no traceback of the imports below

# isort: split
from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import add_stage, synthesize
from stacks.cdk_cli import warn_of_other_cli
from stacks.context import AppContext
from stacks.errors import UserError
from stacks.github_stack import add_github_stacks
from stacks.pipeline_application import add_pipeline

REPOSITORY = Path(__file__).resolve().parent


def build(app: App) -> None:
    """Add the stacks of a stage, or what `-c pipeline=true` or `-c github=true` selects.

    Raises:
        UserError: the settings or the inputs are wrong.
    """
    context = AppContext.of(app, REPOSITORY)
    others = {"pipeline": add_pipeline, "github": add_github_stacks}
    given = [add for name, add in others.items() if app.node.try_get_context(name) == "true"]
    (given or [add_stage])[0](app, context)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def main() -> str | None:
    """Synthesize; return one line to exit with when what was given is wrong."""
    warn_of_other_cli(REPOSITORY / "package.json")
    app = App(analytics_reporting=False)
    try:
        build(app)
        synthesize(app)
    except UserError as error:
        return f"error: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
