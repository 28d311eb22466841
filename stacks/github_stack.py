"""What GitHub Actions needs in an account: its OIDC provider and the roles of the workflows."""

from collections import defaultdict
from collections.abc import Sequence

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.components.github.deploy_role import DeployRole
from stacks.components.github.pull_request_role import PullRequestRole
from stacks.components.github.trust import AUDIENCE, ISSUER
from stacks.context import AppContext
from stacks.settings.delivery import GithubSettings
from stacks.settings.github_stages import load_github_stages
from stacks.settings.stage import StageSettings


class GithubStack(Stack):
    """The roles of one account: one for each stage, and one for pull requests.

    An administrator deploys it; the workflows cannot change it.
    """

    def __init__(
        self, scope: Construct, *, github: GithubSettings, stages: Sequence[StageSettings]
    ) -> None:
        """Create the stack in the region of the first stage; IAM has no regions.

        Args:
            scope: the app.
            github: the repository.
            stages: the stages that it deploys to one account.
        """
        first = stages[0]
        super().__init__(
            scope,
            f"whippet-github-{first.account}",
            stack_name="whippet-github",
            description="Whippet: roles of the workflows on GitHub",
            env=Environment(account=first.account, region=first.region),
            termination_protection=any(stage.termination_protection for stage in stages),
            tags={"project": "whippet"},
        )
        existing = github.oidc_provider_arn if github.provider_account == first.account else None
        provider_arn = existing or self._provider_arn()
        PullRequestRole(
            self, "PullRequests", github=github, stages=stages, provider_arn=provider_arn
        )
        for stage in stages:
            DeployRole(
                self,
                f"Deploy{stage.stage.capitalize()}",
                github=github,
                stage=stage,
                provider_arn=provider_arn,
            )

    def _provider_arn(self) -> str:
        # Not the L2, whose custom resource is a function. AWS verifies GitHub's certificate by its
        # own list of authorities, so there is no thumbprint.
        provider = iam.CfnOIDCProvider(
            self, "Provider", url=f"https://{ISSUER}", client_id_list=[AUDIENCE]
        )
        return provider.attr_arn


def add_github_stacks(app: App, context: AppContext) -> None:
    """Add a stack for each account of the stages that GitHub Actions deploys.

    Raises:
        SettingsError: a file is missing or invalid, or two files contradict each other.
    """
    github, stages = load_github_stages(context.config)
    accounts = defaultdict(list)
    for stage in stages:
        accounts[stage.account].append(stage)
    for of_account in accounts.values():
        GithubStack(app, github=github, stages=of_account)
