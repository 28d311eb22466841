"""Which runs of a workflow may assume a role."""

from aws_cdk import aws_iam as iam

from stacks.settings.delivery import GithubSettings

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"  # which aws-actions/configure-aws-credentials requests
PULL_REQUEST = "pull_request"


def environment(stage: str) -> str:
    """Return the end of the subject of a job that runs in the environment of a stage."""
    return f"environment:{stage}"


def trusted_runs(
    settings: GithubSettings, *, provider_arn: str, context: str
) -> iam.WebIdentityPrincipal:
    """Return the principal of the repository's jobs in one context.

    The subject has the form of GitHub's immutable subject claims, with the numeric ids of owner
    and repository: another repository that later takes over the name has other ids.
    https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/

    Args:
        settings: the repository.
        provider_arn: ARN of the account's OIDC provider for GitHub.
        context: the end of the subject, such as `pull_request`.
    """
    owner = f"{settings.owner}@{settings.owner_id}"
    repository = f"{settings.repository}@{settings.repository_id}"
    return iam.WebIdentityPrincipal(
        provider_arn,
        {
            "StringEquals": {
                f"{ISSUER}:aud": AUDIENCE,
                f"{ISSUER}:sub": f"repo:{owner}/{repository}:{context}",
            }
        },
    )
