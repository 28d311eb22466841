"""The ports on 127.0.0.1 that a cloud listens on."""

import socket
from contextlib import ExitStack

from local_cloud.errors import LifecycleError


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
    try:
        from local_cloud.port_users import describe_user
    except ImportError:  # `make up` checks the ports before psutil is installed
        return ""
    return describe_user(port)
