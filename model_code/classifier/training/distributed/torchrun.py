"""torchrun that listens at one address, and without its traceback: who failed has said why."""

from __future__ import annotations

import socket
import sys
from datetime import timedelta
from typing import Any


def main() -> None:
    """Run torchrun with the flags of this process."""
    # Imported here: the process that starts this program does without torch.
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import static_tcp_rendezvous

    setattr(static_tcp_rendezvous, "TCPStore", _store_at)  # noqa: B010 - mypy knows it as a class
    try:
        run.run(run.parse_args(sys.argv[1:]))
    except (ChildFailedError, SignalException):
        sys.exit(1)


def _store_at(
    address: str, port: int, count: int, is_first: bool, timeout: timedelta, **named: Any
) -> Any:
    """Return torchrun's store; torch's own listens on every interface of the machine."""
    from torch.distributed import TCPStore

    if is_first:
        named["master_listen_fd"] = socket.create_server((address, port)).detach()
    return TCPStore(address, port, count, is_first, timeout, **named)


if __name__ == "__main__":
    main()
