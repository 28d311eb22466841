"""Whether an account is ready for CDK."""

from typing import Any, Final

from botocore.exceptions import ClientError

# The version parameter of CDK's default bootstrap stack.
_PARAMETER: Final = "/cdk-bootstrap/hnb659fds/version"


def is_bootstrapped(ssm: Any) -> bool:
    """Return whether the account and region of a client are bootstrapped for CDK.

    Args:
        ssm: boto3 client.
    """
    try:
        ssm.get_parameter(Name=_PARAMETER)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return False
    return True
