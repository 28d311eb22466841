"""A repository on GitHub with stages in two accounts, and its synthesized stacks."""

import json
from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from stacks.application import synthesize
from stacks.github_stack import add_github_stacks
from tests.stacks.assembly import Json, new_app

ISSUER = "token.actions.githubusercontent.com"
TEST_ACCOUNT, PROD_ACCOUNT = "111122223333", "444455556666"
GITHUB = """
[github]
owner = "Octo-Org"
repository = "image.classifier"
owner_id = "123456"
repository_id = "456789"
stages = ["dev", "qa", "prod"]
"""
STAGES = {
    "dev": f'account = "{TEST_ACCOUNT}"\nregion = "eu-west-1"\ndelivery = "github"\n',
    "qa": f'account = "{TEST_ACCOUNT}"\nregion = "us-east-2"\ndelivery = "github"\n',
    "prod": f'account = "{PROD_ACCOUNT}"\nregion = "eu-west-1"\ndelivery = "github"\n'
    "termination_protection = true\n",
}


def write_config(
    folder: Path, *, delivery: str = GITHUB, stages: Mapping[str, str] = STAGES
) -> Path:
    """Write a folder `config`; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "delivery.toml").write_text(delivery)
    for name, content in stages.items():
        (folder / f"{name}.toml").write_text(content)
    return folder


def synthesize_github(
    directory: Path, *, delivery: str = GITHUB, stages: Mapping[str, str] = STAGES
) -> dict[str, Json]:
    """Return the templates by account; cdk-nag's checks are on."""
    config = write_config(directory / "config", delivery=delivery, stages=stages)
    app = new_app(directory)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    add_github_stacks(app, config)
    synthesize(app)
    return {
        path.name.removeprefix("whippet-github-").partition(".")[0]: json.loads(path.read_text())
        for path in directory.glob("*.template.json")
    }
