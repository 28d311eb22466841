"""Installs `.venvs/serving`: the model server's packages, and its compiled resampling."""

import shutil
from typing import Final

from tools.console import ToolError
from tools.environments.environment import Environment
from tools.environments.installation import install_packages, run_installer

_LIBRARY_SCRIPT: Final = "model_code/classifier/image/resample_library.py"
SERVING: Final = Environment(
    folder=".venvs/serving",
    requirements=("model_code/requirements-serving.txt",),
    compiled=("model_code/classifier/image/resample.c", _LIBRARY_SCRIPT),
    title="Environment of the model server: 85 MB to download (OpenVINO)",
)


def install_server(environment: Environment, *, anew: bool) -> None:
    """Install the environment, and compile `resample.c` if there is a C compiler.

    Without one the model server resizes images with Pillow, to the same bytes in more time.

    Args:
        environment: `SERVING`.
        anew: whether to delete what is in its folder.

    Raises:
        ToolError: uv failed; the message has the end of its output.
    """
    install_packages(environment, anew=anew)
    if shutil.which("cc") is None:
        print("  No C compiler (cc): the model server resizes images with Pillow, more slowly.")
        return
    try:
        run_installer(environment, str(environment.python), _LIBRARY_SCRIPT)
    except ToolError:
        print("  resample.c does not compile here: the model server resizes images with Pillow.")
