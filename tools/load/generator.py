"""Starts the program that sends the requests, in its own environment, and reads its results."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from tools.cdk import ROOT
from tools.console import ToolError
from tools.load.outcomes import Outcome

_PYTHON: Final = ROOT / ".venvs" / "load" / "bin" / "python"
_LAST_CHARACTERS: Final = 2000
# Each request in flight has a connection, and a process of many systems may have 1,024 open files.
MAX_IN_FLIGHT: Final = 900
# Longer than API Gateway's 29 s, so that its response is seen.
TIMEOUT_SECONDS: Final = 35.0


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where requests go.

    Attributes:
        url: of the API's `predict`, or of the endpoint's invocations.
        headers: of each request, without its media type.
        region: for the signature of requests to the endpoint; None: they are not signed.
        certificates: file of the certificate authorities to trust; None: those of Python.
        environment: variables that AWS's SDK reads its credentials from.
    """

    url: str
    headers: Mapping[str, str]
    region: str | None
    certificates: str | None
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent.

    Attributes:
        rate: requests a second.
        requests: how many.
        images: files and their media types, which are sent in turn.
    """

    rate: float
    requests: int
    images: tuple[tuple[Path, str], ...]


class Generator:
    """A running program that sends requests.

    Args:
        destination: where they go.
        load: what is sent.
        add: gets each outcome, in the order in which requests end; called in another thread.

    Raises:
        ToolError: it cannot be started.
    """

    def __init__(
        self, destination: Destination, load: Load, add: Callable[[Outcome], None]
    ) -> None:
        if not _PYTHON.exists():
            raise ToolError(f"{_PYTHON} is missing. Make it with `make .venvs/load`.")
        self._add = add
        self._process = subprocess.Popen(  # noqa: S603 - the project's own program
            [str(_PYTHON), "-m", "tools.load.sender"],
            cwd=ROOT, env=dict(destination.environment),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace",
            start_new_session=True,  # Ctrl-C stops it by `stop`
        )  # fmt: skip
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._read_outcomes, self._read_errors)
        ]
        for thread in self._threads:
            thread.start()
        self._send_plan(destination, load)

    @property
    def _input(self) -> IO[str]:
        return cast(IO[str], self._process.stdin)

    def wait(self, seconds: float) -> bool:
        """Return whether the program has ended after at most some seconds.

        Raises:
            ToolError: it failed; the message has the end of its output.
        """
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._join()
        if status != 0:
            output = "".join(self._errors).strip()[-_LAST_CHARACTERS:]
            raise ToolError(f"The program that sends the requests failed ({status}):\n{output}")
        return True

    def stop(self) -> None:
        """Send no further request; those in flight have some seconds to end."""
        with suppress(BrokenPipeError):
            self._input.close()

    def kill(self) -> None:
        """End the program at once, if it runs."""
        self.stop()
        self._process.kill()
        self._process.wait()
        self._join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send_plan(self, destination: Destination, load: Load) -> None:
        plan: dict[str, Any] = asdict(destination) | {
            "rate": load.rate,
            "requests": load.requests,
            "images": [(str(path.absolute()), kind) for path, kind in load.images],
            "max_in_flight": MAX_IN_FLIGHT,
            "timeout_seconds": TIMEOUT_SECONDS,
        }
        del plan["environment"]
        with suppress(BrokenPipeError):  # then `wait` says why it ended
            self._input.write(json.dumps(plan) + os.linesep)
            self._input.flush()

    def _read_outcomes(self) -> None:
        for line in self._process.stdout or ():
            self._add(Outcome(*json.loads(line)))

    def _read_errors(self) -> None:
        self._errors.extend(self._process.stderr or ())
