"""The import of a bucket's policy into a stack, which MiniStack lacks."""

from ministack.services.cloudformation import provisioners

_TYPE = "AWS::S3::BucketPolicy"


def install_bucket_policy_import() -> None:
    """Let a stack take over the policy of a bucket."""
    provisioners._RESOURCE_HANDLERS[_TYPE]["import"] = _import


def _import(identifier: dict[str, str]) -> tuple[str, dict[str, str]]:
    # The physical id that MiniStack gives a policy that it creates.
    return f"{identifier['Bucket']}-policy", {}
