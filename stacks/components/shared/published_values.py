"""Values that other stacks and programs find by name: parameters of Systems Manager."""

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from stacks.names import parameter_path


def publish(scope: Construct, stage_name: str, **values: str) -> None:
    """Create a parameter for each value; `api_url` becomes /whippet/prod/api-url.

    Args:
        scope: the stack.
        stage_name: such as whippet-prod.
        values: by name; never a secret.
    """
    for name, value in values.items():
        ssm.StringParameter(
            scope,
            f"Parameter{name.title().replace('_', '')}",
            parameter_name=f"{parameter_path(stage_name)}/{name.replace('_', '-')}",
            string_value=value,
        )
