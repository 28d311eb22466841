"""`make documents`: the parts of docs/ that are made from the code."""

import argparse
from pathlib import Path

from tools.api_docs.error_rows import error_rows
from tools.cdk import ROOT
from tools.console import run_tool

ERRORS_FILE = ROOT / "docs" / "errors.md"

_INTRODUCTION = """\
# Errors

Made from the code by `make documents`; do not edit.

Every error has one shape, whoever answers it:

```json
{"error": {"code": "empty_body", "message": "The request has no image. …"}, "request_id": "…"}
```

Programs go by the status and the code, people by the message. Where a row names seconds, the
answer carries them in `Retry-After`. The model server's refusals are passed on by the proxy, its
other errors are the proxy's own. No answer is to be kept by browsers or proxies: each says
`Cache-Control: no-store`.

Some answers of AWS itself cannot be shaped. Above 6 MB the status is 413 with
`{"message": "Request Too Long"}`, above 10 MB it is 413 with plain text. Beside the page CloudFront
refuses methods that it does not know, such as TRACE, in HTML. What is not valid HTTP, or has more
than 10,240 bytes of headers, does not reach the API and gets no answer of its.

| status | code | answered by | meaning | retry after |
|---|---|---|---|---|
"""


def main() -> None:
    """Write the files."""
    argparse.ArgumentParser(
        prog="python -m tools.api_docs.documents", description=__doc__
    ).parse_args()
    ERRORS_FILE.write_text(errors_document())
    print(f"Wrote {ERRORS_FILE.relative_to(Path.cwd())}")


def errors_document() -> str:
    """Return docs/errors.md as the code has it now."""
    lines = [
        f"| {row.status} | `{row.code}` | {row.source} | {row.meaning} | "
        f"{f'{row.retry_after_seconds} s' if row.retry_after_seconds else ''} |"
        for row in error_rows()
    ]
    return _INTRODUCTION + "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_tool(main)
