"""`build/local.json`: addresses and credentials of the local deployment."""

import argparse
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tools.cdk import ROOT
from tools.console import ToolError

DEFAULT_FILE = ROOT / "build" / "local.json"
_CONNECT_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class LocalDeployment:
    """The deployment of `make up`.

    Attributes:
        api_url: base address of the API, ending in a slash.
        api_key: value of the header `x-api-key`.
        page_url: address of the web page; None if the stage has none.
        endpoint_name: name of the SageMaker endpoint.
        labels: the model's labels by class index.
        environment: environment variables that point any AWS SDK or CLI at the local cloud.
        logs: folder with all logs.
        minute_seconds: real seconds of a minute of its metrics and scaling.
        preset: comes before config/local.toml; None: the file may name one.
    """

    api_url: str
    api_key: str
    page_url: str | None
    endpoint_name: str
    labels: list[str]
    environment: dict[str, str]
    logs: str
    minute_seconds: float = 60.0
    preset: str | None = None

    def write(self, file: Path) -> None:
        """Write the file, readable only by its owner because it contains the API key."""
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(asdict(self), opened, indent=2)
            opened.write("\n")
        partial.replace(file)


def read_local_deployment(file: Path = DEFAULT_FILE) -> LocalDeployment:
    """Read the file that `make up` wrote.

    Raises:
        ToolError: nothing is deployed, or the file is invalid.
    """
    try:
        return LocalDeployment(**json.loads(file.read_text(encoding="utf-8-sig")))
    except FileNotFoundError:
        raise ToolError(f"{file} does not exist: nothing is deployed. Run `make up`.") from None
    except (OSError, ValueError, TypeError) as error:
        raise ToolError(f"{file} cannot be read ({error}). Run `make up` again.") from error


def deployed_preset(file: Path = DEFAULT_FILE) -> str | None:
    """Return the preset of the cloud that is running; None if it has none, or none is running.

    Args:
        file: that `make up` wrote, which `make down` leaves there.
    """
    try:
        deployment = read_local_deployment(file)
    except ToolError:
        return None
    if deployment.preset is None:
        return None
    return deployment.preset if connection_problem(deployment) is None else None


def connection_problem(deployment: LocalDeployment) -> str | None:
    """Return why the cloud of a deployment cannot be reached; None: it can.

    Args:
        deployment: of the last `make up`.
    """
    place = urlsplit(deployment.environment["AWS_ENDPOINT_URL"])
    address = (place.hostname or "", place.port or 0)
    try:
        socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def add_deployment(parser: argparse.ArgumentParser) -> None:
    """Add the option `--deployment` of a tool that works on any stage."""
    parser.add_argument(
        "--deployment",
        type=Path,
        default=DEFAULT_FILE,
        help="file of `make up`, for the stage local (%(default)s)",
    )
