"""Starts and stops the local cloud's process."""

import contextlib
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_cloud.certificate import write_certificate
from local_cloud.clock import AWS_MINUTE_SECONDS
from local_cloud.environment import server_environment
from local_cloud.errors import LifecycleError
from local_cloud.place import Place, Record
from local_cloud.ports import usable_ports
from local_cloud.processes import is_alive, kill_group

_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 20.0
_POLL_SECONDS = 0.1
_RESPONSE_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Options of a new cloud.

    Attributes:
        place: its state directory.
        assembly: the folder that `cdk synth` writes.
        serving_python: interpreter of the environment of the model server.
        training_python: interpreter of the environment of training jobs; it may be made later.
        port: TLS port of the AWS APIs; 0 chooses a free one.
        public_port: plain-http port of the deployed API; 0 chooses a free one.
        region: the region of the clients' environment.
        minute_seconds: real seconds of one minute of metrics, alarms, scaling and rollouts.
    """

    place: Place
    assembly: Path
    serving_python: Path
    training_python: Path
    port: int
    public_port: int
    region: str
    minute_seconds: float = AWS_MINUTE_SECONDS


def running(place: Place) -> Record | None:
    """Return the record of the running cloud of a state directory, or None."""
    record = place.read_record()
    return record if record and is_alive(record) else None


def responds(
    place: Place, record: Record, timeout_seconds: float = _RESPONSE_TIMEOUT_SECONDS
) -> bool:
    """Return whether a cloud responds to a request in time."""
    try:
        context = ssl.create_default_context(cafile=str(place.certificate))
        connection = http.client.HTTPSConnection(
            "localhost", record.port, timeout=timeout_seconds, context=context
        )
        with contextlib.closing(connection):
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def start(options: StartOptions) -> Record:
    """Start a cloud in the background and wait until it responds.

    Raises:
        LifecycleError: a port is taken, or the server exited or did not respond.
    """
    place = options.place
    port, public_port = usable_ports(options.port, options.public_port)
    if not options.serving_python.exists():
        raise LifecycleError(
            f"{options.serving_python} does not exist: the model server needs an environment with "
            "model_code/requirements-serving.txt. Make it with `make environments`."
        )
    stop(place)  # a cloud that crashed may have left processes
    place.prepare()
    write_certificate(place.certificate, place.private_key)
    process = _spawn(options, port, public_port)
    record = Record(
        process_id=process.pid,
        process_started_at=psutil.Process(process.pid).create_time(),
        port=port,
        public_port=public_port,
        region=options.region,
        minute_seconds=options.minute_seconds,
    )
    place.write_record(record)
    _wait_until_ready(process, place, record)
    return record


def stop(place: Place) -> int | None:
    """Stop the cloud and every process that it started.

    Returns:
        The number of processes that had to be killed, usually 0; `None` if no cloud was running.

    Raises:
        LifecycleError: a process did not end.
    """
    record = place.read_record()
    if record is None:
        return None
    if is_alive(record):
        os.kill(record.process_id, signal.SIGTERM)
        _wait_for_end(record)
    killed = kill_group(record.process_id, place.directory)
    place.clear()
    return killed


def _spawn(options: StartOptions, port: int, public_port: int) -> subprocess.Popen[bytes]:
    place = options.place
    command = [
        sys.executable, "-m", "local_cloud.server",
        "--state-directory", str(place.directory),
        "--assembly", str(options.assembly),
        "--serving-python", str(options.serving_python),
        "--training-python", str(options.training_python),
        "--port", str(port),
        "--public-port", str(public_port),
        "--minute-seconds", str(options.minute_seconds),
    ]  # fmt: skip
    environment = server_environment(
        port=port,
        public_port=public_port,
        certificate=place.certificate,
        private_key=place.private_key,
        temporary=place.temporary,
        region=options.region,
    )
    with place.server_log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the command is built above
            command,
            cwd=Path(__file__).parent.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A process group of its own: Ctrl-C in the terminal does not stop it, and
            # `down` kills the group.
            start_new_session=True,
        )


def _wait_until_ready(process: subprocess.Popen[bytes], place: Place, record: Record) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while not responds(place, record):
        status = process.poll()
        if status is not None or time.monotonic() > deadline:
            what = f"it did not respond within {_START_TIMEOUT_SECONDS:.0f} s."
            if status is not None:
                what = place.read_crash() or _ending(status)
            kill_group(process.pid, place.directory)
            place.clear()
            raise LifecycleError(
                f"The local cloud could not be started: {what}\nLog: {place.server_log}"
            )
        time.sleep(_POLL_SECONDS)


def _ending(status: int) -> str:
    if status < 0:
        return f"its process was ended by {signal.Signals(-status).name}."
    return f"its process exited with status {status}."


def _wait_for_end(record: Record) -> None:
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while is_alive(record) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
