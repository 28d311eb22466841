"""Read the stage, load its settings, build the stacks, add the checks, synthesize."""

import sys
from pathlib import Path

import stacks  # noqa: F401 - first, so that Ctrl-C prints no traceback of the imports below

# isort: split
from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import add_stacks, synthesize
from stacks.cdk_cli import warn_of_other_cli
from stacks.errors import UserError
from stacks.inputs import load_inputs
from stacks.settings.stage import load_stage_settings

REPOSITORY = Path(__file__).resolve().parent
_CONTEXT = {"stage": "dev", "proxy": "build/lambda", "page": "build/web"}


def build(app: App) -> None:
    """Add the stacks and their checks; the context names `stage`, `model`, `proxy` and `page`.

    Raises:
        UserError: the settings or the inputs are wrong.
    """
    given = {key: app.node.try_get_context(key) for key in (*_CONTEXT, "model")}
    context = _CONTEXT | {key: value for key, value in given.items() if value is not None}
    settings = load_stage_settings(context.pop("stage"), REPOSITORY / "config")
    folders = {f"{key}_directory": REPOSITORY / value for key, value in context.items()}
    inputs = load_inputs(settings.stage, **folders, repository=REPOSITORY)
    add_stacks(app, settings=settings, inputs=inputs)
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
