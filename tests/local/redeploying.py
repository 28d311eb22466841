"""Deploys other models to the shared cloud of the tests, and the demo again at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.local.conftest import DEMO_MODEL, up
from tools.local.deployment import LocalDeployment, read_local_deployment

# Takes the folder of an artifact, returns what `make up` printed.
Redeploy = Callable[[Path], str]


@contextmanager
def redeploying(state: Path, deployment: LocalDeployment) -> Iterator[Redeploy]:
    """Let a block deploy any models; afterwards the cloud serves the demo as before.

    Args:
        state: folder of the shared cloud (the fixture of that name).
        deployment: the shared deployment, whose address and key stay the same all the time.
    """

    served: Path | None = None  # unknown: a block may deploy in other ways, too

    def redeploy(model: Path) -> str:
        nonlocal served
        served = None  # whatever is left where it fails
        printed = up(state, model).stdout
        served = model
        return printed

    try:
        yield redeploy
    finally:
        if served != DEMO_MODEL:
            redeploy(DEMO_MODEL)
        assert read_local_deployment(state / "local.json") == deployment
