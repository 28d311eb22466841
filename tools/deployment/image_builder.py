"""The program that builds container images on this machine: docker, or CDK_DOCKER."""

import os
import shutil
import subprocess
from pathlib import Path

# The options that the CDK CLI passes.
_NEEDED_OPTIONS = ("--build-arg", "--platform", "--tag")
_START = {
    "docker": "start Docker (Docker Desktop, or `systemctl start docker`)",
    "finch": "start it with `finch vm start` (once before: `finch vm init`)",
    "podman": "start it with `podman machine start` (once before: `podman machine init`)",
}
_OTHERS = (
    "Or set CDK_DOCKER to another builder (docker, finch, podman), or serving.image_uri to a "
    "prebuilt image."
)
_TIMEOUT_SECONDS = 60


def builder_name() -> str:
    """Return the program that the CDK CLI will run."""
    return os.environ.get("CDK_DOCKER", "docker")


def builder_problem() -> str | None:
    """Return why this machine cannot build images, and what to do; None if it can.

    BuildKit is not needed: Docker's legacy builder can build the Dockerfile.
    """
    builder = builder_name()
    program = shutil.which(builder)
    if program is None:
        return _missing_program(builder)
    ended = _call(program, "info")
    if ended.returncode != 0:
        start = _START.get(Path(builder).stem, f"start the engine of `{builder}`")
        return (
            f"{builder} is installed but its engine does not respond: `{builder} info` fails"
            f"{_last_line(ended)}. To build the serving image, {start}. {_OTHERS}"
        )
    helped = _call(program, "build", "--help")
    lacking = [option for option in _NEEDED_OPTIONS if option not in helped.stdout + helped.stderr]
    if lacking:
        return (
            f"CDK_DOCKER is {builder}, which cannot build images: "
            f"`{builder} build --help` does not list {', '.join(lacking)}. Expected docker, "
            "finch, podman, or a program with the same options."
        )
    return None


def _missing_program(builder: str) -> str:
    if "CDK_DOCKER" in os.environ:
        return (
            f"CDK_DOCKER is {builder!r}, and there is no such program on PATH: expected docker, "
            "finch or podman, or the path of a program with the same options. Without CDK_DOCKER "
            "docker is used."
        )
    found = [name for name in ("finch", "podman") if shutil.which(name)]
    hint = f" {found[0]} is: set CDK_DOCKER={found[0]}." if found else f" Install it. {_OTHERS}"
    return f"docker, which builds the serving image, is not installed.{hint}"


def _call(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program, *arguments]
    try:
        return subprocess.run(  # noqa: S603 - the user's own builder
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        reason = f"no response within {_TIMEOUT_SECONDS} s"
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr=reason)
    except OSError as error:
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr=str(error))


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    lines = (ended.stderr or ended.stdout).strip().splitlines()
    return f" ({lines[-1].strip()})" if lines else ""
