from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.local.functions import API_STACK
from tools.local.deployment import LocalDeployment


@dataclass(frozen=True)
class Cloud:
    """The local cloud with the deployment in it.

    Attributes:
        deployment: how its API is reached.
        client: from an AWS service's name to its client.
        resources: from a stack and a type to the resources' physical ids.
        state: folder of the cloud, which its processes' command lines name.
    """

    deployment: LocalDeployment
    client: Callable[[str], Any]
    resources: Callable[[str, str], list[str]]
    state: Path

    def api_resource(self, kind: str) -> str:
        """Return the physical id of the first of a type in the API's stack."""
        return self.resources(API_STACK, kind)[0]
