"""`make documents`: the parts of docs/ that are generated from the code."""

import argparse
from pathlib import Path

from tools.api_docs.error_rows import error_rows
from tools.cdk import ROOT
from tools.console import run_tool

ERRORS_FILE = ROOT / "docs" / "errors.md"

_INTRODUCTION = """\
# Errors

Generated from the code by `make documents`; do not edit.

Every error has one shape, whichever component returns it:

```json
{"error": {"code": "empty_body", "message": "The request has no image. …"}, "request_id": "…"}
```

Programs use the status and the code; the message is for people. Where a row has seconds, the
response has them in `Retry-After`. The proxy passes on the errors with which the model server
rejects an image; its other errors become the proxy's own. Every response has
`Cache-Control: no-store`, so that browsers and proxies do not keep it.

The shape of some responses of AWS cannot be changed. Above 6 MB the status is 413 with
`{"message": "Request Too Long"}`, above 10 MB it is 413 with plain text. Behind the page's domain,
CloudFront refuses methods that it does not know, such as TRACE, with HTML. A request that is not
valid HTTP, or has more than 10,240 bytes of headers, does not reach the API.

| status | code | returned by | meaning | retry after |
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
    """Return the content of docs/errors.md."""
    lines = [
        f"| {row.status} | `{row.code}` | {row.source} | {row.meaning} | "
        f"{f'{row.retry_after_seconds} s' if row.retry_after_seconds else ''} |"
        for row in error_rows()
    ]
    return _INTRODUCTION + "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_tool(main)
