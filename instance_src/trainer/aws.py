"""Calls AWS by its command line, which the machine images of AWS have."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from trainer.errors import JobError


def run(*arguments: str) -> str:
    """Run `aws` and return its output.

    Raises:
        JobError: it failed; the message names the call and AWS's reason.
    """
    command = ["aws", *arguments]
    ended = subprocess.run(  # noqa: S603 - built from the job's description, and no shell reads it
        command, capture_output=True, text=True, errors="replace", check=False
    )
    if ended.returncode != 0:
        lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit status {ended.returncode}"
        raise JobError(f"aws {' '.join(arguments[:2])} failed: {reason}")
    return ended.stdout


def call(service: str, operation: str, request: Any) -> dict[str, Any]:
    """Call one operation with a request as JSON; return its response.

    Raises:
        JobError: as `run`.
    """
    # A file: an argument may have at most 128 KiB.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(request, file)
        file.flush()
        given = ("--cli-input-json", f"file://{file.name}", "--output", "json")
        output = run(service, operation, *given)
    response: dict[str, Any] = json.loads(output) if output.strip() else {}
    return response


def download(url: str, path: Path) -> None:
    """Copy an object of S3 to a file, or every object below a prefix that ends in `/` to a folder.

    Raises:
        JobError: as `run`.
    """
    verb = "sync" if url.endswith("/") else "cp"
    run("s3", verb, "--only-show-errors", url, str(path))


def upload(path: Path, url: str) -> None:
    """Copy a file to S3.

    Raises:
        JobError: as `run`.
    """
    run("s3", "cp", "--only-show-errors", str(path), url)
