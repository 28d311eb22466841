"""The configuration of a repository on GitHub with stages in two accounts."""

from collections.abc import Mapping
from pathlib import Path

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
