"""Decodes the resource paths in an API stage's method settings.

Templates write `/health` as `/~1health`. MiniStack's CloudFormation stores that as it is, but its
API Gateway looks up `/health`.
"""

from typing import Any

from ministack.services.cloudformation import provisioners

_ROOT = "/~1"


def install_method_settings() -> None:
    """Apply the throttle of a single method; without this the stage's throttle applies."""
    original = provisioners._apigw_method_settings

    def read(settings: Any) -> Any:
        if not isinstance(settings, list):
            return original(settings)
        return original([_decoded(each) for each in settings])

    provisioners._apigw_method_settings = read


def _decoded(settings: dict[str, Any]) -> dict[str, Any]:
    path = str(settings.get("ResourcePath", ""))
    if not path.startswith(_ROOT):
        return settings
    return {**settings, "ResourcePath": path[1:].replace("~1", "/").replace("~0", "~")}
