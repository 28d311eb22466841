"""A scratch folder that stands for a machine of EC2: its script, its metadata, its programs.

The script, the program that it downloads, the AWS command line and train.py are the real ones. Not
real: `shutdown`, which is recorded, `dnf` and pip, which would need a package index, and the boot.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.cdk import ROOT

_TRAINING_PYTHON = ROOT / ".venvs" / "training" / "bin" / "python"
_TOKEN = "a-session-token"
# Records how it was called; what `dnf.fails` says is its error.
_RECORDED = """#!/bin/bash
echo "$@" >> "{calls}/{name}"
if [ -e "{calls}/{name}.fails" ]; then cat "{calls}/{name}.fails"; exit 1; fi
"""
# A Python whose environments are the one of training, without a package index.
_PYTHON = """#!/bin/bash
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; ln -s "$0" "$3/bin/python"; exit; fi
if [ "$1 $2" = "-m pip" ]; then exec "{programs}/pip" "${{@:3}}"; fi
exec "{python}" "$@"
"""


@dataclass(frozen=True)
class Ended:
    """How a run of the script ended.

    Attributes:
        status: exit status of the script.
        console: what it printed.
        shutdowns: the arguments of each call of `shutdown`.
        calls: the same of other programs.
    """

    status: int
    console: str
    shutdowns: list[str]
    calls: dict[str, list[str]]


class Ec2Instance:
    """Runs a launch template's script."""

    def __init__(self, folder: Path, aws: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._programs = folder, folder / "programs"
        self._environment = {
            name: environment[name] for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE")
        }
        self._programs.mkdir(parents=True)
        (folder / "disk").mkdir()
        for name in ("shutdown", "dnf", "pip"):
            self._write(name, _RECORDED.format(calls=folder, name=name))
        self._write("python3.12", _PYTHON.format(programs=self._programs, python=_TRAINING_PYTHON))
        (self._programs / "aws").symlink_to(aws)
        (self._programs / "python3").symlink_to(sys.executable)

    def fail(self, program: str, message: str) -> None:
        """Let `dnf` or `pip` fail."""
        (self._folder / f"{program}.fails").write_text(message)

    def run(
        self, script: str, *, job: str, credentials: Mapping[str, str], disk: str = "disk"
    ) -> Ended:
        """Run the script as cloud-init does, with an empty environment."""
        with metadata_service(job, credentials) as address:
            ended = subprocess.run(
                ["/bin/bash", "-c", script],
                env={
                    **self._environment,
                    "PATH": f"{self._programs}:/usr/bin:/bin",
                    "TMPDIR": str(self._folder / disk),
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": address,
                    "OMP_NUM_THREADS": "1",
                    "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", ""),
                },
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
        calls = {name: self._calls(name) for name in ("dnf", "pip")}
        return Ended(ended.returncode, ended.stdout, self._calls("shutdown"), calls)

    def _write(self, name: str, text: str) -> None:
        (self._programs / name).write_text(text)
        (self._programs / name).chmod(0o755)

    def _calls(self, name: str) -> list[str]:
        file = self._folder / name
        return file.read_text().splitlines() if file.exists() else []


@contextmanager
def metadata_service(job: str, credentials: Mapping[str, str]) -> Iterator[str]:
    """Serve an instance's metadata with session tokens alone; yield the address."""
    role = json.dumps({"Code": "Success", "Type": "AWS-HMAC", **credentials})
    values = {
        "tags/instance/whippet-job": job,
        "instance-type": "m5.xlarge",
        "iam/security-credentials/": "the-role",
        "iam/security-credentials/the-role": role,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.path == "/latest/api/token"
            assert int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0
            self._respond(200, _TOKEN)

        def do_GET(self) -> None:
            if self.headers.get("X-aws-ec2-metadata-token") != _TOKEN:
                self._respond(401, "")
                return
            found = values.get(self.path.removeprefix("/latest/meta-data/"))
            self._respond(404 if found is None else 200, found or "")

        def _respond(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
