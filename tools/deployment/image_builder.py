"""The program that builds images on this machine: docker, or what CDK_DOCKER names."""

import os
import shutil
import subprocess
from pathlib import Path

# What the CDK command line passes besides the folder.
_NEEDED_OPTIONS = ("--build-arg", "--platform", "--tag")
_START = {
    "docker": "start Docker (Docker Desktop, or `systemctl start docker`)",
    "finch": "start it with `finch vm start` (once before: `finch vm init`)",
    "podman": "start it with `podman machine start` (once before: `podman machine init`)",
}
_OTHERS = (
    "Or name another builder with CDK_DOCKER (docker, finch, podman), or set serving.image_uri to "
    "an image that is built already."
)
_PATIENCE_SECONDS = 60


def builder_name() -> str:
    """Return the program that the CDK command line will call."""
    return os.environ.get("CDK_DOCKER", "docker")


def builder_problem() -> str | None:
    """Return what keeps this machine from building images, and what to do; None when nothing does.

    The Dockerfile needs no BuildKit: the legacy builder of Docker will do.
    """
    builder = builder_name()
    program = shutil.which(builder)
    if program is None:
        return _missing_program(builder)
    ended = _call(program, "info")
    if ended.returncode != 0:
        start = _START.get(Path(builder).stem, f"start what `{builder}` needs")
        return (
            f"{builder} is installed but its engine does not answer: `{builder} info` fails"
            f"{_last_line(ended)}. To build the serving image, {start}. {_OTHERS}"
        )
    helped = _call(program, "build", "--help")
    lacking = [option for option in _NEEDED_OPTIONS if option not in helped.stdout + helped.stderr]
    if lacking:
        return (
            f"CDK_DOCKER names {builder}, which is not known as a builder of images: "
            f"`{builder} build --help` does not offer {', '.join(lacking)}. Expected docker, "
            "finch, podman, or a program that takes the same options."
        )
    return None


def _missing_program(builder: str) -> str:
    if "CDK_DOCKER" in os.environ:
        return (
            f"CDK_DOCKER is {builder!r}, and there is no such program on PATH: expected docker, "
            "finch or podman, or the path of one that takes the same options. Without CDK_DOCKER "
            "it is docker."
        )
    found = [name for name in ("finch", "podman") if shutil.which(name)]
    hint = f" {found[0]} is: set CDK_DOCKER={found[0]}." if found else f" Install it. {_OTHERS}"
    return f"docker, which builds the serving image, is not installed.{hint}"


def _call(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program, *arguments]
    try:
        return subprocess.run(  # noqa: S603 - the person's own builder
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_PATIENCE_SECONDS} s"
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr=reason)
    except OSError as error:
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr=str(error))


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    lines = (ended.stderr or ended.stdout).strip().splitlines()
    return f" ({lines[-1].strip()})" if lines else ""
