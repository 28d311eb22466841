"""The synthesized stacks of a repository on GitHub."""

import json
from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import synthesize
from stacks.context import AppContext
from stacks.github_stack import add_github_stacks
from tests.github_config import GITHUB, STAGES, write_config
from tests.stacks.assembly import Json, new_app


def synthesize_github(
    directory: Path, *, delivery: str = GITHUB, stages: Mapping[str, str] = STAGES
) -> dict[str, Json]:
    """Return the templates by account; cdk-nag's checks are on."""
    write_config(directory / "config", delivery=delivery, stages=stages)
    app = new_app(directory)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    add_github_stacks(app, AppContext.of(app, directory))
    synthesize(app)
    return {
        path.name.removeprefix("whippet-github-").partition(".")[0]: json.loads(path.read_text())
        for path in directory.glob("*.template.json")
    }
