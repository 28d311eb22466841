"""A stage's settings of single methods, whose paths MiniStack's CloudFormation takes as written.

Templates write `/health` as `/~1health`; the data plane looks it up as `/health`.
"""

from typing import Any

from ministack.services.cloudformation import provisioners

_ROOT = "/~1"


def install_method_settings() -> None:
    """Make a method's own throttle act, which would else be that of the whole stage."""
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
