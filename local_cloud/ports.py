"""The ports on 127.0.0.1 that a cloud listens on."""

import socket
from contextlib import ExitStack, suppress

import psutil

from local_cloud.errors import LifecycleError

_SERVER_MODULE = "local_cloud.server"
_STATE_OPTION = "--state-directory"


def usable_ports(*wanted: int) -> list[int]:
    """Return ports that can be bound now, all different; 0 chooses a free one.

    Raises:
        LifecycleError: a port is given twice or cannot be bound; the message names the process
            that listens on it.
    """
    if given_twice := {port for port in wanted if port and wanted.count(port) > 1}:
        raise LifecycleError(
            f"The AWS APIs and the deployed page cannot both have port {given_twice.pop()}: choose "
            "two different ones, such as `make up PORT=4567 PUBLIC_PORT=4581`; 0 chooses a free "
            "one."
        )
    with ExitStack() as probes:
        # All stay bound until the last is found, so that no free port is chosen twice.
        return [_bind(probes.enter_context(socket.socket()), port) for port in wanted]


def _bind(probe: socket.socket, port: int) -> int:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError as error:
        raise LifecycleError(
            f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}){_user_of(port)}. "
            "Choose other ports with `make up PORT=4567 PUBLIC_PORT=4581`; 0 chooses a free one."
        ) from error
    return int(probe.getsockname()[1])


def _user_of(port: int) -> str:
    """Return which process listens on a port, as the end of a sentence; empty if unknown."""
    process = _listening_process(port)
    if process is None:
        return ""
    with suppress(psutil.Error):
        command = process.cmdline()
        if _SERVER_MODULE in command and _STATE_OPTION in command:
            state = command[command.index(_STATE_OPTION) + 1]
            return (
                f": it belongs to the local cloud of {state}. Stop that one with `make down` "
                "in its own clone, or run both"
            )
        return f": process {process.pid}, {process.name()}, listens on it"
    return ""


def _listening_process(port: int) -> psutil.Process | None:
    # The system may hide the ports of other users' processes, and on macOS of all processes.
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr:
                continue
            if connection.laddr.port == port and connection.pid:
                return psutil.Process(connection.pid)
    return None
