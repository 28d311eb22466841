"""The settings of the doors to AWS other than a laptop: `config/delivery.toml`."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from stacks.errors import SettingsError
from stacks.settings.base import Entries, Settings, text
from stacks.settings.monitoring import EmailAddress
from stacks.settings.problems import describe_problems
from stacks.settings.stage import AccountId, Region, StageName, StageSettings
from stacks.settings.stage_file import DELIVERY_FILE, read_toml

RepositoryName = Annotated[
    str, text(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", "owner/name of a repository")
]
ConnectionArn = Annotated[
    str,
    text(
        r"arn:[a-z-]+:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]+",
        "the ARN of a connection of CodeConnections",
    ),
]
ProviderArn = Annotated[
    str,
    text(
        r"arn:[a-z-]+:iam::\d{12}:oidc-provider/token\.actions\.githubusercontent\.com",
        "the ARN of the account's OIDC provider for GitHub",
    ),
]
GithubName = Annotated[str, text(r"[A-Za-z0-9._-]+", "a name on GitHub")]
GithubId = Annotated[str, text(r"[1-9]\d*", "GitHub's number of it, quoted")]
BranchName = Annotated[str, text(r"[A-Za-z0-9._/-]+", "the name of a branch")]


class PipelineSettings(Settings):
    """The pipeline of CDK Pipelines and the stages that it deploys."""

    account: AccountId = Field(description="AWS account of the pipeline.")
    region: Region = Field(description="AWS region of the pipeline.")
    connection_arn: ConnectionArn = Field(
        description="Connection that may read the repository; create and confirm it in the console."
    )
    repository: RepositoryName = Field(description="Repository of this app.")
    branch: BranchName = Field(default="main", description="Branch that is deployed.")
    stages: Entries[StageName] = Field(description="Stages in the order of their deployment.")
    approval_before: Entries[StageName] | None = Field(
        default=None,
        description="Stages whose deployment a person approves. Not set: those with "
        "`termination_protection`.",
    )
    notification_email: EmailAddress | None = Field(
        default=None,
        description="Gets a message when the pipeline fails or waits for an approval.",
    )

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        _check_order(self.stages)
        if unknown := set(self.approval_before or ()) - set(self.stages):
            raise ValueError(
                f"pipeline.approval_before names {', '.join(sorted(unknown))}: expected stages of "
                f"pipeline.stages, which are {', '.join(self.stages)}"
            )
        return self


class GithubSettings(Settings):
    """The repository on GitHub whose workflows deploy, and the stages that they deploy."""

    owner: GithubName = Field(description="User or organization that owns the repository.")
    repository: GithubName = Field(description="Name of the repository, without its owner.")
    owner_id: GithubId = Field(description="`gh api users/<owner> --jq .id`")
    repository_id: GithubId = Field(description="`gh api repos/<owner>/<name> --jq .id`")
    stages: Entries[StageName] = Field(description="Stages in the order of their deployment.")
    oidc_provider_arn: ProviderArn | None = Field(
        default=None,
        description="The account's OIDC provider for GitHub. Not set: the stack creates it; an "
        "account can have only one.",
    )

    @property
    def provider_account(self) -> str | None:
        """The account of the existing OIDC provider."""
        return self.oidc_provider_arn.split(":")[4] if self.oidc_provider_arn else None

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        _check_order(self.stages)
        return self


class DeliverySettings(Settings):
    """The content of `config/delivery.toml`; both sections are optional."""

    pipeline: PipelineSettings | None = None
    github: GithubSettings | None = None

    def deliverer_role(self, settings: StageSettings) -> tuple[str, str] | None:
        """Return account and name of the role that deploys a stage; None for a laptop.

        Raises:
            SettingsError: the file does not list the stage.
        """
        if settings.delivery == "laptop":
            return None
        section = self.pipeline if settings.delivery == "pipeline" else self.github
        if section is None or settings.stage not in section.stages:
            raise SettingsError(
                f'config/{settings.stage}.toml: delivery = "{settings.delivery}": expected the '
                f"stage in stages = [...] under [{settings.delivery}] in config/{DELIVERY_FILE} "
                "(docs/delivery.md)"
            )
        account = section.account if isinstance(section, PipelineSettings) else settings.account
        return str(account), deliverer_role_name(settings)


def deliverer_role_name(settings: StageSettings) -> str:
    """Return the name of the role that deploys a stage, such as whippet-pipeline-prod."""
    return f"whippet-{settings.delivery}-{settings.stage}"


def load_delivery_settings(directory: Path) -> DeliverySettings:
    """Read `<directory>/delivery.toml`; without the file, every stage is a laptop's.

    Raises:
        SettingsError: the file is not TOML, or a setting is unknown, missing or out of bounds.
    """
    path = directory / DELIVERY_FILE
    if not path.exists():
        return DeliverySettings()
    try:
        return DeliverySettings.model_validate(read_toml(path))
    except ValidationError as error:
        problems = describe_problems(error, DeliverySettings)
        file = f"{directory.name}/{DELIVERY_FILE}"
        raise SettingsError("\n".join(f"{file}: {problem}" for problem in problems)) from error


def _check_order(stages: tuple[str, ...]) -> None:
    if not stages or len(set(stages)) < len(stages):
        raise ValueError(f"stages = {list(stages)}: expected at least one stage, each once")
