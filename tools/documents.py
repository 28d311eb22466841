"""`make documents`: the parts of docs/ that are made from the code."""

import argparse
import runpy
from pathlib import Path
from typing import NamedTuple

from classifier_proxy.error_table import ERROR_TABLE, INTERNAL_ERROR, MODEL_REJECTION_STATUSES
from stacks.components.gateway_responses import GATEWAY_ERRORS
from tools.cdk import ROOT
from tools.console import run_tool

ERRORS_FILE = ROOT / "docs" / "errors.md"
_MODEL_SERVER_ERRORS = ROOT / "model_code" / "classifier" / "errors.py"

_INTRODUCTION = """\
# Errors

Made from the code by `make documents`; do not edit.

Every error has one shape, whoever answers it:

```json
{"error": {"code": "empty_body", "message": "The request holds no picture. …"}, "request_id": "…"}
```

Programs go by the status and the code, people by the message. Where a row names seconds, the
answer carries them in `Retry-After`. Two answers of AWS itself cannot be shaped: above 6 MB the
status is 413 with `{"message": "Request Too Long"}`, above 10 MB it is 413 with plain text.

| status | code | answered by | meaning | retry after |
|---|---|---|---|---|
"""


class Row(NamedTuple):
    """One line of the table."""

    status: int
    code: str
    source: str
    meaning: str
    retry_after_seconds: int | None


def main() -> None:
    """Write the files."""
    argparse.ArgumentParser(prog="python -m tools.documents", description=__doc__).parse_args()
    ERRORS_FILE.write_text(errors_document())
    print(f"Wrote {ERRORS_FILE.relative_to(Path.cwd())}")


def errors_document() -> str:
    """Return docs/errors.md as the code has it now."""
    lines = [
        f"| {row.status} | `{row.code}` | {row.source} | {row.meaning} | "
        f"{f'{row.retry_after_seconds} s' if row.retry_after_seconds else ''} |"
        for row in sorted(_rows(), key=lambda row: row[:3])
    ]
    return _INTRODUCTION + "\n".join(lines) + "\n"


def _rows() -> list[Row]:
    rows = [
        Row(answer.status, answer.code, "proxy", answer.message, answer.retry_after_seconds)
        for answer in (*ERROR_TABLE.values(), INTERNAL_ERROR)
    ]
    rows += [
        Row(error.status, error.code, "API Gateway", error.message, error.retry_after_seconds)
        for error in GATEWAY_ERRORS
        if error.status is not None
    ]
    known: dict[str, int] = runpy.run_path(str(_MODEL_SERVER_ERRORS))["STATUS_BY_CODE"]
    rows += [
        Row(status, code, "model server", "what the message says", None)
        for code, status in known.items()
        if status in MODEL_REJECTION_STATUSES
    ]
    return rows


if __name__ == "__main__":
    run_tool(main)
