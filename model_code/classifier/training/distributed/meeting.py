"""How the hosts of a job find each other, and notice that one has ended.

The first host listens, the others connect to it, and both sides send a line every other second.
torch's own connections do not show a dead host while each computes alone, for minutes at a time.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Self

from classifier.training.distributed.hosts import Hosts
from classifier.training.errors import TrainingError

# Hosts begin one after the other: data and packages take minutes.
MEETING_SECONDS: Final = 900.0
SECONDS_BETWEEN_SIGNS: Final = 2.0
# A host that was killed is noticed at once, when its connection closes; one without power by this.
SECONDS_OF_SILENCE: Final = 30.0
_SECONDS_BETWEEN_TRIES: Final = 0.5
_SECONDS_OF_INTRODUCTION: Final = 5.0
_MAX_LINE_BYTES: Final = 65536
_KILLED: Final = "its processes are gone: killed, out of memory, or its machine stopped"

Message = dict[str, Any]


class Meeting:
    """The connections of this host's launcher, until it is closed.

    Attributes:
        port: of the first host, for torchrun's own meeting.
    """

    def __init__(self, hosts: Hosts) -> None:
        """Meet the others.

        Raises:
            TrainingError: a host did not come, or ended before all were there.
        """
        self.port = 0
        self._hosts = hosts
        self._links: list[_Link] = []
        self._verdict: str | None = None
        self._has_verdict, self._is_closed = threading.Event(), threading.Event()
        try:
            if hosts.index == 0:
                self._wait_for_others()
            else:
                self._join_first()
        except TrainingError as error:
            self.report_failure(str(error))
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verdict(self, seconds: float) -> str | None:
        """Wait for some time; return why the job cannot go on, if another host ended."""
        self._has_verdict.wait(seconds)
        return self._verdict

    def report_failure(self, reason: str) -> None:
        """Tell the others why this host ends."""
        if self._hosts.index == 0:
            self._send_all({"ended": _ended(self._hosts.current, reason)})
        else:
            self._send_all({"failed": reason})

    def report_success(self) -> None:
        """Tell the others that this host has done its part."""
        self._send_all({"done": True})

    def close(self) -> None:
        """Close the connections."""
        self._is_closed.set()
        for link in self._links:
            link.close()

    def _wait_for_others(self) -> None:
        hosts = self._hosts
        deadline = time.monotonic() + MEETING_SECONDS
        missing = set(hosts.names[1:])
        with _listen(hosts) as server:
            threading.Thread(target=self._give_signs, daemon=True).start()
            while missing:
                server.settimeout(1.0)
                self._check_meeting(deadline, missing)
                with suppress(TimeoutError):
                    connection, _ = server.accept()
                    link = _Link(connection)
                    name = link.introduction()
                    if name not in missing:
                        link.close()  # of no host of this job
                        continue
                    missing.discard(name)
                    self._follow(link, name)
        self.port = free_port(hosts.address)
        self._send_all({"port": self.port})

    def _join_first(self) -> None:
        hosts = self._hosts
        deadline = time.monotonic() + MEETING_SECONDS
        while True:
            try:
                connection = socket.create_connection((hosts.address, hosts.port), timeout=5)
                break
            except OSError:
                self._check_meeting(deadline, {hosts.first})
                time.sleep(_SECONDS_BETWEEN_TRIES)
        link = _Link(connection)
        link.send({"host": hosts.current})
        self._follow(link, hosts.first)
        threading.Thread(target=self._give_signs, daemon=True).start()
        while not self.port:
            # Without a deadline: the first host, whose signs come, has one for the others.
            if verdict := self.verdict(0.05):
                raise TrainingError(verdict)

    def _check_meeting(self, deadline: float, missing: set[str]) -> None:
        if self._verdict:
            raise TrainingError(self._verdict)
        if time.monotonic() > deadline:
            hosts = self._hosts
            raise TrainingError(
                f"{', '.join(sorted(missing))} did not meet {hosts.current} at {hosts.address} "
                f"port {hosts.port} within {MEETING_SECONDS:.0f} s; the hosts of a job must reach "
                "each other (a security group must let its own members in)"
            )

    def _follow(self, link: _Link, name: str) -> None:
        self._links.append(link)
        threading.Thread(target=self._listen_to, args=(link, name), daemon=True).start()

    def _listen_to(self, link: _Link, name: str) -> None:
        try:
            for message in link.messages():
                if name == self._hosts.first and "port" in message:
                    self.port = int(message["port"])
                elif name == self._hosts.first and "ended" in message:
                    self._decide(str(message["ended"]))
                elif "failed" in message:
                    self._decide(_ended(name, str(message["failed"])))
                elif "done" in message:
                    return
            reason = _KILLED
        except TimeoutError:
            reason = f"no sign of it for {SECONDS_OF_SILENCE:.0f} s"
        except (OSError, ValueError, TypeError, OverflowError):
            reason = _KILLED
        self._decide(_ended(name, reason))

    def _decide(self, verdict: str) -> None:
        """Note the first reason, and pass it on to those that cannot see it themselves."""
        if self._is_closed.is_set() or self._verdict:
            return
        # It goes to a terminal and into the log.
        self._verdict = "".join(each if each.isprintable() else "?" for each in verdict)
        self._has_verdict.set()
        if self._hosts.index == 0:
            self._send_all({"ended": verdict})

    def _give_signs(self) -> None:
        while not self._is_closed.wait(SECONDS_BETWEEN_SIGNS):
            self._send_all({})

    def _send_all(self, message: Message) -> None:
        for link in list(self._links):
            with suppress(OSError):  # the thread that listens to a host that is gone notices it
                link.send(message)


class _Link:
    """A connection to another host's launcher: JSON, one message a line."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS_OF_SILENCE)
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._lock = threading.Lock()

    def introduction(self) -> str | None:
        """Return the name that a host gives first; `None` where something else connected."""
        # For all of it: a stranger that sends a byte now and then would keep the hosts out.
        limit = threading.Timer(_SECONDS_OF_INTRODUCTION, self._shut_down)
        limit.start()
        try:
            return str(next(self.messages(), {}).get("host"))
        except (OSError, ValueError):
            return None
        finally:
            limit.cancel()

    def messages(self) -> Iterator[Message]:
        """Yield messages until the other side closes.

        Raises:
            TimeoutError: nothing came for a while.
            OSError: the connection is broken.
            ValueError: what came is no message.
        """
        while line := self._reader.readline(_MAX_LINE_BYTES):
            try:
                message = json.loads(line)
            except RecursionError as error:
                raise ValueError("too many levels") from error
            if not isinstance(message, dict):
                raise ValueError(line)
            yield message

    def send(self, message: Message) -> None:
        """Send a message."""
        with self._lock:
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """Close the connection; a thread that waits for a message then stops."""
        self._shut_down()
        with suppress(OSError):
            self._reader.close()
        self._connection.close()

    def _shut_down(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


def _listen(hosts: Hosts) -> socket.socket:
    try:
        return socket.create_server((hosts.address, hosts.port))
    except OSError as error:
        raise TrainingError(
            f"{hosts.current} cannot listen at {hosts.address} port {hosts.port}: "
            f"{error.strerror or error}; MASTER_ADDR and MASTER_PORT name another place"
        ) from error


def free_port(address: str) -> int:
    """Return a port of this host that nobody listens at."""
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _ended(name: str, reason: str) -> str:
    return f"host {name} ended: {reason}"
