"""What a paused stage does not have."""

from aws_cdk import CfnResource
from constructs import IConstruct

from stacks.components.shared.pause import Pause


def remove_while_paused(pause: Pause, *constructs: IConstruct) -> None:
    """Let a stack have the resources of constructs only while the stage is not paused.

    Model and endpoint configuration are not among them: the endpoint is created again as it was.

    Args:
        pause: the stack's parameter.
        constructs: of the endpoint and of what only exists with it, such as its scaling.
    """
    for construct in constructs:
        for node in construct.node.find_all():
            if isinstance(node, CfnResource):
                node.cfn_options.condition = pause.running
