"""The hosts of a training job, as AWS's toolkit and the local cloud name them."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from classifier.training.errors import TrainingError

_DEFAULT_PORT: Final = 29500


@dataclass(frozen=True)
class Hosts:
    """The machines that train together; on a laptop, processes that stand for them.

    Attributes:
        names: of all, sorted; the first one leads.
        current: this one.
        workers_per_host: processes that train on each: one a GPU, or one.
        address, port: where the first one listens.
        interface: of the network that joins them; `None` leaves it to torch.
    """

    names: tuple[str, ...]
    current: str
    workers_per_host: int
    address: str
    port: int
    interface: str | None

    @property
    def index(self) -> int:
        """The place of this host; the first one is 0."""
        return self.names.index(self.current)

    @property
    def first(self) -> str:
        """The name of the host that leads."""
        return self.names[0]

    @property
    def worker_count(self) -> int:
        """How many processes train together."""
        return len(self.names) * self.workers_per_host


def read_hosts(environment: Mapping[str, str]) -> Hosts:
    """Read the hosts of a job; outside of one there is one host without GPUs of a job.

    Raises:
        TrainingError: a variable that is not as AWS's toolkit writes it.
    """
    current = environment.get("SM_CURRENT_HOST", "algo-1")
    try:
        names = tuple(sorted(map(str, json.loads(environment.get("SM_HOSTS", f'["{current}"]')))))
        gpu_count = int(environment.get("SM_NUM_GPUS") or 0)
        port = int(environment.get("MASTER_PORT") or _DEFAULT_PORT)
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"SM_HOSTS, SM_NUM_GPUS or MASTER_PORT cannot be read ({error}); expected a JSON list "
            "of names and two whole numbers"
        ) from error
    if current not in names or len(set(names)) < len(names):
        raise TrainingError(
            f"SM_HOSTS is {', '.join(names)}; expected different names, with SM_CURRENT_HOST, "
            f"{current}, among them"
        )
    address = environment.get("MASTER_ADDR") or names[0]
    interface = _interface(address, environment.get("SM_NETWORK_INTERFACE_NAME"))
    return Hosts(names, current, max(1, gpu_count), address, port, interface)


def _interface(address: str, named: str | None) -> str | None:
    """Return which network to use: on a laptop the one that no other machine reaches."""
    try:
        present = [name for _, name in socket.if_nameindex()]
    except OSError:
        return None
    if _is_loopback(address):
        return next((name for name in present if name.startswith("lo")), None)
    return named if named in present else None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
