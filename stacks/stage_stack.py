"""The base class of all stacks."""

from aws_cdk import Environment, IStackSynthesizer, RemovalPolicy, Stack
from constructs import Construct

from stacks.settings.stage import StageSettings


class StageStack(Stack):
    """A stack of one stage, named `whippet-<stage>-<purpose>`.

    Account and region come from the stage's settings, not from environment variables, so that
    the templates are the same on every machine.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        purpose: str,
        description: str,
        synthesizer: IStackSynthesizer | None = None,
    ) -> None:
        name = f"{settings.name}-{purpose}"
        super().__init__(
            scope,
            name,
            stack_name=name,
            description=description,
            env=Environment(account=settings.account, region=settings.region),
            termination_protection=settings.termination_protection,
            synthesizer=synthesizer,
            tags={"project": "whippet", "stage": settings.stage},
        )


def removal_policy(settings: StageSettings) -> RemovalPolicy:
    """Return the removal policy of a stage's resources that hold data.

    They are retained when they are replaced or their stack is deleted, but not when the creation
    of their stack fails: what a failed first deployment leaves would hold no data.
    """
    if settings.retain_stateful_resources:
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    return RemovalPolicy.DESTROY
