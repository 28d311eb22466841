"""The stages that GitHub Actions deploys."""

from pathlib import Path

from stacks.errors import SettingsError
from stacks.settings.delivery import GithubSettings, load_delivery_settings
from stacks.settings.stage import StageSettings, load_stage_settings
from stacks.settings.stage_file import DELIVERY_FILE


def load_github_stages(directory: Path) -> tuple[GithubSettings, list[StageSettings]]:
    """Return the repository on GitHub and its stages, in the order of their deployment.

    Args:
        directory: `config`.

    Raises:
        SettingsError: a file is missing or invalid, or two files contradict each other.
    """
    file = f"{directory.name}/{DELIVERY_FILE}"
    github = load_delivery_settings(directory).github
    if github is None:
        raise SettingsError(
            f"{file} has no section [github]: expected one with the repository and its stages "
            "(docs/delivery.md has an example)"
        )
    stages = [load_stage_settings(name, directory) for name in github.stages]
    for stage in stages:
        if stage.delivery != "github":
            own = f"{directory.name}/{stage.stage}.toml"
            raise SettingsError(
                f"{file}: github.stages names {stage.stage}, and {own} says delivery = "
                f'"{stage.delivery}": expected delivery = "github", or the stage left out'
            )
    _check_provider(github, stages, file)
    return github, stages


def _check_provider(github: GithubSettings, stages: list[StageSettings], file: str) -> None:
    accounts = sorted({str(stage.account) for stage in stages})
    if github.oidc_provider_arn and github.provider_account not in accounts:
        raise SettingsError(
            f"{file}: github.oidc_provider_arn = {github.oidc_provider_arn!r} is in the account "
            f"{github.provider_account}: expected an account of the stages, {', '.join(accounts)}"
        )
