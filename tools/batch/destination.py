"""Where the results of a run go: a folder, or a prefix of S3."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from tools.aws import is_missing_object
from tools.console import ToolError
from tools.s3_uri import S3Uri
from tools.terminal import printable

PREDICTIONS: Final = "predictions.jsonl"
FAILURES: Final = "failures.jsonl"
SUMMARY: Final = "summary.json"
_DENIED: Final = {"403", "AccessDenied"}


class Destination(Protocol):
    """Holds the three files of a run; the summary is written last."""

    def check(self) -> None:
        """Check what can be known before a job is paid for: whether files can be written.

        Raises:
            ToolError: they cannot.
        """
        ...

    def read(self, name: str) -> str | None:
        """Return the text of a file, None if there is none."""
        ...

    def write(self, files: list[Path]) -> None:
        """Store files under their names, in this order."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder of this machine, which is created."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def check(self) -> None:
        """Check that the folder can be written, or can be created."""
        place = self.path.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            raise ToolError(f"DST={self}: {place} is a file; expected a folder.")
        if not os.access(place, os.W_OK | os.X_OK):
            raise ToolError(f"DST={self}: the folder {place} cannot be written; take another DST.")

    def read(self, name: str) -> str | None:
        """Return the text of a file, None if there is none."""
        file = self.path / name
        return file.read_text(encoding="utf-8") if file.exists() else None

    def write(self, files: list[Path]) -> None:
        """Store files under their names, in this order."""
        self.path.mkdir(parents=True, exist_ok=True)
        for file in files:
            partial = self.path / f"{file.name}.partial"
            # Not into the file that a link of this name may lead to.
            partial.unlink(missing_ok=True)
            with file.open("rb") as content, partial.open("xb") as copy:
                shutil.copyfileobj(content, copy)
            partial.replace(self.path / file.name)


@dataclass(frozen=True)
class Prefix:
    """A prefix of S3, which the user's own credentials may read and write."""

    s3: Any
    uri: S3Uri

    def __str__(self) -> str:
        return str(self.uri)

    def check(self) -> None:
        """Check nothing: only writing shows whether S3 lets it."""

    def read(self, name: str) -> str | None:
        """Return the text of a file, None if there is none.

        Raises:
            ToolError: the bucket does not exist, or may not be read.
        """
        try:
            found = self.s3.get_object(Bucket=self.uri.bucket, Key=f"{self.uri.key}/{name}")
        except ClientError as error:
            if is_missing_object(error):
                return None
            code = error.response["Error"]["Code"]
            if code == "NoSuchBucket":
                raise ToolError(f"DST={self}: there is no bucket {self.uri.bucket}.") from error
            if code in _DENIED:
                # Without s3:ListBucket, S3 says this of a file that is missing, too.
                raise ToolError(
                    f"DST={self}: your credentials may not look for results there; expected "
                    "s3:GetObject, s3:PutObject and s3:ListBucket."
                ) from error
            raise
        text: str = found["Body"].read().decode()
        return text

    def write(self, files: list[Path]) -> None:
        """Store files under their names, in this order."""
        for file in files:
            self.s3.upload_file(str(file), self.uri.bucket, f"{self.uri.key}/{file.name}")


def check_destination(destination: Destination, run: str | None) -> None:
    """Check that results can be written, and would overwrite none of another run.

    Args:
        destination: where results go.
        run: that is resumed; None: a new one.

    Raises:
        ToolError: there are results of another run, or of no known one, or none can be written.
    """
    destination.check()
    summary = destination.read(SUMMARY)
    if summary is None:
        if destination.read(PREDICTIONS) is None:
            return
        other = "results without a summary"
    else:
        try:
            name = json.loads(summary)["run"]
        except (ValueError, TypeError, KeyError):
            name = None
        if run is not None and name == run:
            return
        run_name = printable(str(name))
        other = f"the results of the run {run_name}" if name else "a summary of something else"
    raise ToolError(f"DST={destination} has {other}: take another DST, or move them away.")
