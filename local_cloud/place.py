"""The state directory of a local cloud."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from local_cloud.clock import AWS_MINUTE_SECONDS

# In the folder of a running training job: a link to its temporary folder, which is elsewhere,
# because the state directory's path may be too long for the path of a socket.
TEMPORARY_LINK = "tmp"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A started cloud: written by `up`, read by `status` and `down`.

    Attributes:
        process_id: process id of the server, also the id of its process group.
        process_started_at: start of that process in seconds since the epoch; detects a later
            process with the same id.
        port: TLS port of the AWS APIs on 127.0.0.1.
        public_port: plain-http port of the deployed API on 127.0.0.1.
        region: region of the clients' environment.
        minute_seconds: real seconds of a minute of metrics, alarms, scaling and rollouts.
    """

    process_id: int
    process_started_at: float
    port: int
    public_port: int
    region: str
    minute_seconds: float = AWS_MINUTE_SECONDS


@dataclass(frozen=True)
class Place:
    """The paths in the state directory of one local cloud; each cloud has its own."""

    directory: Path

    @property
    def record_file(self) -> Path:
        """The record that `up` writes; absent if no cloud was started."""
        return self.directory / "cloud.json"

    @property
    def logs(self) -> Path:
        """Folder of all logs; kept after `down`."""
        return self.directory / "logs"

    @property
    def server_log(self) -> Path:
        """Log of the cloud's own process."""
        return self.logs / "cloud.log"

    @property
    def access_log(self) -> Path:
        """One line for each request to a deployed REST API."""
        return self.logs / "access.log"

    @property
    def crash_file(self) -> Path:
        """Why the cloud's process ended by itself; absent if it did not."""
        return self.directory / "crash.txt"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the server and its child processes; deleted by `down`."""
        return self.directory / "tmp"

    @property
    def certificate(self) -> Path:
        """The certificate that clients must trust, PEM."""
        return self.directory / "tls" / "server.crt"

    @property
    def private_key(self) -> Path:
        """The certificate's key, PEM."""
        return self.directory / "tls" / "server.key"

    def prepare(self) -> None:
        """Create the folders, readable by their owner only: they hold keys and requests."""
        folders = (self.directory, self.logs, self.temporary, self.certificate.parent)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # it may exist already, with wider permissions

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the directory: one `up` or `down` at a time, others wait."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write_record(self, record: Record) -> None:
        """Write the record atomically."""
        partial = self.record_file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(record), indent=2) + "\n")
        partial.replace(self.record_file)

    def read_record(self) -> Record | None:
        """Return the record that `up` wrote, or None if no cloud was started."""
        try:
            return Record(**json.loads(self.record_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def read_crash(self) -> str | None:
        """Return why the cloud's process ended by itself, or None if it left no reason."""
        try:
            return self.crash_file.read_text()
        except OSError:
            return None

    def clear(self) -> None:
        """Remove everything but the logs."""
        for file in (self.record_file, self.crash_file):
            file.unlink(missing_ok=True)
        for link in self.temporary.glob(f"jobs/training/*/*/{TEMPORARY_LINK}"):
            shutil.rmtree(link.resolve(), ignore_errors=True)
        for folder in (self.temporary, self.certificate.parent):
            shutil.rmtree(folder, ignore_errors=True)
