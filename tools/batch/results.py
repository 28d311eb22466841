"""Merges the responses of a run into JSON Lines: a line for each image, in the source's order."""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tools.batch.destination import FAILURES, PREDICTIONS, SUMMARY, Destination
from tools.batch.runs import Entry, Run
from tools.batch.stage import BatchStage
from tools.console import ToolError, step
from tools.counted import counted
from tools.parallel import in_parallel

# JSON allows them in a string. Some programs end a line at the last three, where a name could then
# imitate the line of another image; the others control terminals.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029]")


@dataclass
class Counts:
    """What became of the images of a run.

    Attributes:
        classified: images with predictions.
        failed: number of images by the code of their error.
        models: the names and versions that responded.
    """

    classified: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    models: set[tuple[str, str]] = field(default_factory=set)

    @property
    def total(self) -> int:
        """All images."""
        return self.classified + self.failed.total()

    def add(self, record: Mapping[str, Any]) -> None:
        """Count an image's result."""
        if "error" in record:
            self.failed[record["error"]["code"]] += 1
            return
        self.classified += 1
        model = record.get("model", {})
        self.models.add((str(model.get("name")), str(model.get("version"))))


def write_results(
    stage: BatchStage, run: Run, keys: Mapping[str, str], destination: Destination
) -> Counts:
    """Write the predictions, the failures and the summary of a run.

    Args:
        stage: that has the responses.
        run: the run.
        keys: of the responses, by the name of the image.
        destination: where the results go.

    Raises:
        ToolError: a response is not what the model server writes.
    """
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in (PREDICTIONS, FAILURES, SUMMARY)]
        predictions, failures, summary = files
        with (
            step(f"Merge the results of {counted(len(run.entries), 'image')}"),
            predictions.open("wb") as all_lines,
            failures.open("wb") as failed_lines,
        ):
            for record in _records(stage, run, keys):
                counts.add(record)
                line = _line(record)
                all_lines.write(line)
                if "error" in record:
                    failed_lines.write(line)
        summary.write_bytes(_line(_summary(run, counts)))
        destination.write(files)
    return counts


def _records(stage: BatchStage, run: Run, keys: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    s3 = stage.client("s3")

    def record(entry: Entry) -> dict[str, Any]:
        if entry.name is None:
            return {"key": entry.key, "error": entry.error}
        key = keys[entry.name]
        content = s3.get_object(Bucket=stage.bucket, Key=key)["Body"].read()
        return {"key": entry.key, **_parse(content, f"s3://{stage.bucket}/{key}")}

    return in_parallel(record, run.entries, noun="result")


def _parse(content: bytes, address: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
        if "predictions" in found or {"code", "message"} <= found["error"].keys():
            return dict(found)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise ToolError(
        f"{address} is not a response of the model server: expected JSON with predictions or an "
        "error. Delete that object and continue the run."
    )


def _summary(run: Run, counts: Counts) -> dict[str, Any]:
    return {
        "run": run.name,
        "source": run.source,
        "images": counts.total,
        "classified": counts.classified,
        "failed": dict(sorted(counts.failed.items())),
        "hidden_files_left_out": run.hidden,
        "models": [{"name": name, "version": version} for name, version in sorted(counts.models)],
    }


def _line(record: Mapping[str, Any]) -> bytes:
    # A file's name that is not UTF-8 has surrogates, which become escapes of JSON.
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    escaped = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f"{escaped}\n".encode("utf-8", "backslashreplace")
