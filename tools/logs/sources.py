"""Where the log lines of a stage are: CloudWatch Logs, and files of the local cloud."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from tools.logs.lines import LogLine, read_line

# The limit of FilterLogEvents.
_EVENTS_PER_PAGE = 10_000


class LogSource(Protocol):
    """One log."""

    def lines(self, since: float, text: str | None) -> Iterator[LogLine]:
        """Return the lines, not sorted.

        Args:
            since: seconds since the epoch; earlier lines are left out.
            text: only lines that contain it; None: all lines.
        """
        ...


@dataclass(frozen=True)
class LogGroup:
    """A log group of CloudWatch Logs.

    Attributes:
        client: boto3's client of CloudWatch Logs.
        group: its name.
        source: its name in the output.
    """

    client: Any
    group: str
    source: str

    def lines(self, since: float, text: str | None) -> Iterator[LogLine]:
        """See `LogSource.lines`; none if the log group does not exist."""
        try:
            for event in self._events(int(since * 1000), text):
                yield read_line(self.source, event["message"], event["timestamp"] / 1000)
        except ClientError as error:
            # A log group that SageMaker creates exists after its first line.
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    def _events(self, since_ms: int, text: str | None) -> Iterator[dict[str, Any]]:
        """Yield the events in the order of their time; some of them twice."""
        options = {"filterPattern": f'"{text}"'} if text else {}
        paginator = self.client.get_paginator("filter_log_events")
        latest_ms: int | None = since_ms
        while latest_ms is not None:
            start_ms, latest_ms = latest_ms, None
            for page in paginator.paginate(logGroupName=self.group, startTime=start_ms, **options):
                yield from page["events"]
                # The local cloud ends after a full page, without a token for the next one.
                is_full = len(page["events"]) >= _EVENTS_PER_PAGE
                latest_ms = page["events"][-1]["timestamp"] if is_full else None
            if latest_ms == start_ms:
                latest_ms = start_ms + 1


@dataclass(frozen=True)
class LogFile:
    """A file of the local cloud.

    Attributes:
        file: its path.
        source: its name in the output.
    """

    file: Path
    source: str

    def lines(self, since: float, text: str | None) -> Iterator[LogLine]:
        """See `LogSource.lines`; none if the file does not exist."""
        try:
            changed = self.file.stat().st_mtime
            if changed < since:
                return
            with self.file.open(errors="replace") as opened:
                for each in opened:
                    if text is None or text in each:
                        line = read_line(self.source, each.rstrip("\n"), changed)
                        if line.time >= since:
                            yield line
        except FileNotFoundError:
            return


def local_files(logs: Path) -> list[LogFile]:
    """Return the log files of a local cloud that concern requests.

    Args:
        logs: the cloud's folder of logs.
    """
    instances = sorted((logs / "endpoints").glob("*/*.log"))
    return [
        LogFile(logs / "access.log", "AccessLogs"),
        *(LogFile(file, f"container {file.stem}") for file in instances),
    ]


def find_lines(sources: Sequence[LogSource], *, since: float, request: str | None) -> list[LogLine]:
    """Return the lines of all logs in the order of their time, without those of metrics.

    Args:
        sources: the logs.
        since: seconds since the epoch.
        request: id of a request; None: all lines. Lambda's own lines have another id, which the
            function's lines name; they are included.
    """
    found = {line for source in sources for line in source.lines(since, request)}
    invocations = {str(line.fields.get("function_request_id") or "") for line in found} - {""}
    if request:
        for invocation in invocations:
            found |= {line for source in sources for line in source.lines(since, invocation)}
    return sorted(line for line in found if not line.is_metric)
