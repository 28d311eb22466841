"""A repository on GitHub with stages in two accounts, and its synthesized stacks."""

import json
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import synthesize
from stacks.github_stack import add_github_stacks
from stacks.settings.delivery import GithubSettings
from stacks.settings.stage import StageSettings
from tests.stacks.assembly import Json, new_app

GITHUB = GithubSettings(
    owner="Octo-Org",
    repository="image.classifier",
    owner_id="123456",
    repository_id="456789",
    stages=("dev", "qa", "prod"),
)
TEST_ACCOUNT, PROD_ACCOUNT = "111122223333", "444455556666"
STAGES = (
    StageSettings(stage="dev", account=TEST_ACCOUNT, region="eu-west-1", delivery="github"),
    StageSettings(stage="qa", account=TEST_ACCOUNT, region="us-east-2", delivery="github"),
    StageSettings(
        stage="prod",
        account=PROD_ACCOUNT,
        region="eu-west-1",
        delivery="github",
        termination_protection=True,
    ),
)


def synthesize_github(
    directory: Path,
    *,
    github: GithubSettings = GITHUB,
    stages: Sequence[StageSettings] = STAGES,
) -> dict[str, Json]:
    """Return the templates by account; cdk-nag's checks are on."""
    app = new_app(directory)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    add_github_stacks(app, github, stages)
    synthesize(app)
    return {
        path.name.removeprefix("whippet-github-").partition(".")[0]: json.loads(path.read_text())
        for path in directory.glob("*.template.json")
    }
