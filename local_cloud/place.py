"""Where one local cloud keeps its files."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Record:
    """A started cloud, as `up` wrote it down for `status` and `down`.

    Attributes:
        process_id: the server's process id, which leads its process group.
        process_started_at: its start in seconds since the epoch; tells it from
            another process that was given the same id later.
        port: TLS port of the AWS APIs on 127.0.0.1.
        public_port: plain-http port of the deployed API on 127.0.0.1.
        region: the region that the clients' environment names.
    """

    process_id: int
    process_started_at: float
    port: int
    public_port: int
    region: str


@dataclass(frozen=True)
class Place:
    """The state directory of one local cloud; two clouds have two places."""

    directory: Path

    @property
    def record_file(self) -> Path:
        """What `up` wrote down; absent while no cloud was started here."""
        return self.directory / "cloud.json"

    @property
    def logs(self) -> Path:
        """All logs; they stay after `down`."""
        return self.directory / "logs"

    @property
    def server_log(self) -> Path:
        """The log of the cloud's own process."""
        return self.logs / "cloud.log"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the server and all that it starts; gone after `down`."""
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
        """Make the folders, readable by their owner only: they hold keys and requests."""
        folders = (self.directory, self.logs, self.temporary, self.certificate.parent)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)  # a tool may have made it before, more open

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one `up` or `down` at a time work here; another one waits."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write_record(self, record: Record) -> None:
        """Write the record in one step, so that no reader sees half of it."""
        partial = self.record_file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(record), indent=2) + "\n")
        partial.replace(self.record_file)

    def read_record(self) -> Record | None:
        """Return what `up` wrote, or None where no cloud was started here."""
        try:
            return Record(**json.loads(self.record_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def clear(self) -> None:
        """Remove everything but the logs."""
        self.record_file.unlink(missing_ok=True)
        for folder in (self.temporary, self.certificate.parent):
            shutil.rmtree(folder, ignore_errors=True)
