"""Refuses to take away the key with which a deployed stage has encrypted its objects."""

from collections.abc import Mapping, Sequence
from typing import Any

from stacks.settings.stage import StageSettings
from tools.aws import stack_resources

_KEY = "AWS::KMS::Key"


def encryption_problem(settings: StageSettings, cloudformation: Any) -> str | None:
    """Return why the stage cannot be deployed without a key of its own; None: it can.

    An object stays encrypted with the key with which it was written. The other way there is no
    problem: S3 reads what it encrypted itself, and what is written from then on gets the key.

    Args:
        settings: the stage's settings.
        cloudformation: boto3 client.
    """
    if settings.encryption == "kms":
        return None
    resources = stack_resources(cloudformation, f"{settings.name}-storage")
    return _describe(settings, [id_ for type_, id_ in resources if type_ == _KEY])


def lost_key_problem(settings: StageSettings, deployed: Mapping[str, Any]) -> str | None:
    """Return why a deployed template cannot lose its key; None: it has none, or keeps it.

    Args:
        settings: the stage's settings.
        deployed: templates of the stage by the name of their stack.
    """
    if settings.encryption == "kms":
        return None
    template = deployed.get(f"{settings.name}-storage", {})
    resources = template.get("Resources", {}) if isinstance(template, Mapping) else {}
    return _describe(settings, [id_ for id_, each in resources.items() if each["Type"] == _KEY])


def _describe(settings: StageSettings, keys: Sequence[str]) -> str | None:
    if not keys:
        return None
    fate = (
        "no role could use it any more"
        if settings.retain_stateful_resources
        else "CloudFormation would delete it, and with it all that they hold"
    )
    return (
        f'config/{settings.stage}.toml sets encryption = "aws", and the buckets of the deployed '
        f"stage are encrypted with the KMS key {', '.join(keys)}: {fate}. Set encryption = "
        '"kms". For a stage without a key, make another one (a file in config/) and copy datasets '
        f"and models into it, or `make destroy STAGE={settings.stage}` before you deploy again."
    )
