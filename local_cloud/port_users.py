"""Names the process that listens on a port."""

from contextlib import suppress

import psutil

_SERVER_MODULE = "local_cloud.server"
_STATE_OPTION = "--state-directory"


def describe_user(port: int) -> str:
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
