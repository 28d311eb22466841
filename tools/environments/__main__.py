"""Install the virtual environments that are missing, broken or outdated.

One is made again if its Python does not start or is not that of its packages, if its installation
was interrupted, or if `.venv` was copied or moved; it is updated if its requirements have changed.
Runs before anything is installed, so it imports only the standard library.
"""

import argparse
from typing import Final, Protocol

from tools.console import run_tool
from tools.environments.environment import Environment
from tools.environments.installation import install_app, install_packages
from tools.environments.server import SERVING, install_server
from tools.model.training_environment import TRAINING, install_training


class _Install(Protocol):
    def __call__(self, environment: Environment, *, anew: bool) -> None: ...


_APP: Final = Environment(
    folder=".venv",
    requirements=("requirements.txt",),
    title="Virtual environment: 220 MB to download, 720 MB on disk (CDK, Node 24, tools)",
    has_programs=True,
)
_LOCAL_CLOUD: Final = Environment(
    folder=".venvs/local-cloud",
    requirements=("requirements/local-cloud.txt",),
    title="Environment of the local cloud: 30 MB to download (MiniStack, moto)",
)
_BENCH: Final = Environment(
    folder=".venvs/bench",
    requirements=("bench/requirements/bench.txt",),
    title="Environment of the benchmarks: 40 MB to download (psutil, matplotlib)",
)
_LOAD: Final = Environment(
    folder=".venvs/load",
    requirements=("requirements/load.txt",),
    title="Environment of the load tests: 30 MB to download (locust)",
)
_SDK: Final = Environment(
    folder=".venvs/sdk",
    requirements=("requirements/sdk.txt",),
    title="Environment of the SageMaker SDK, for examples/: 730 MB on disk",
)
_INSTALLERS: Final[dict[str, tuple[Environment, _Install]]] = {
    _APP.folder: (_APP, install_app),
    _LOCAL_CLOUD.folder: (_LOCAL_CLOUD, install_packages),
    SERVING.folder: (SERVING, install_server),
    _BENCH.folder: (_BENCH, install_packages),
    _LOAD.folder: (_LOAD, install_packages),
    _SDK.folder: (_SDK, install_packages),
    TRAINING.folder: (TRAINING, install_training),
}


def main() -> None:
    """Install one environment, unless it can be used as it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.environments", description=__doc__)
    parser.add_argument("folder", choices=_INSTALLERS, help="the environment's folder")
    environment, install = _INSTALLERS[parser.parse_args().folder]
    problem = environment.find_problem()
    if problem is None and not environment.is_outdated():
        return
    if problem is not None:
        _make_room(environment, problem)
    environment.mark_as_unfinished()
    install(environment, anew=problem is not None)
    environment.mark_as_installed()


def _make_room(environment: Environment, problem: str) -> None:
    if environment.path.exists():
        print(f"  {environment.folder} is made again: {problem}.", flush=True)
    if environment.path.is_symlink():
        environment.path.unlink()  # and leave the folder that it refers to as it is


if __name__ == "__main__":
    run_tool(main)
