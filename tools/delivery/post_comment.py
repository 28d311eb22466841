"""Write the changes of all stages into one comment on a pull request, which later runs update.

Needs only Python's standard library. Reads the token from GITHUB_TOKEN and, as GitHub Actions sets
them, GITHUB_API_URL and GITHUB_REPOSITORY.
"""

import argparse
import http.client
import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from tools.console import ToolError, run_tool

_MARK: Final = "<!-- whippet: changes of the stages -->"
_AUTHOR: Final = "github-actions[bot]"
_MAX_CHARACTERS: Final = 65_536
_TIMEOUT_SECONDS: Final = 30.0
_PAGE: Final = 100


def main() -> None:
    """Create the comment, or update the one of an earlier run."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.delivery.post_comment", description=__doc__
    )
    parser.add_argument("--pull-request", type=int, required=True, help="its number")
    parser.add_argument("--stages", required=True, help='in their order: ["dev","prod"]')
    parser.add_argument("--folder", type=Path, required=True, help="has <stage>.md of each stage")
    arguments = parser.parse_args()
    text = join_descriptions(arguments.folder, json.loads(arguments.stages))
    comments = f"/repos/{_variable('GITHUB_REPOSITORY')}/issues"
    existing = _find(f"{comments}/{arguments.pull_request}/comments")
    if existing is None:
        _call("POST", f"{comments}/{arguments.pull_request}/comments", {"body": text})
    else:
        _call("PATCH", f"{comments}/comments/{existing}", {"body": text})
    print("Updated the comment." if existing else "Created the comment.")


def join_descriptions(folder: Path, stages: list[str]) -> str:
    """Return the comment's text.

    Args:
        folder: has `<stage>.md` of each stage.
        stages: in the order in which they are deployed.
    """
    text = f"{_MARK}\n## What this pull request changes\n"
    for stage in stages:
        part = f"\n{(folder / f'{stage}.md').read_text(encoding='utf-8')}"
        if len(text) + len(part) > _MAX_CHARACTERS - 1000:
            part = f"\n### Stage {stage}\n\nToo long for this comment: see the log of the job.\n"
        text += part
    return text


def _find(path: str) -> int | None:
    """Return the id of the comment of an earlier run."""
    page = 1
    while True:
        comments = _call("GET", f"{path}?per_page={_PAGE}&page={page}")
        for comment in comments:
            if comment["user"]["login"] == _AUTHOR and comment["body"].startswith(_MARK):
                return int(comment["id"])
        if len(comments) < _PAGE:
            return None
        page += 1


def _call(method: str, path: str, content: Any = None) -> Any:
    url = _variable("GITHUB_API_URL") + path
    if not re.match("https?://", url):
        raise ToolError(f"GITHUB_API_URL = {url!r}: expected an address that begins with https://")
    request = urllib.request.Request(  # noqa: S310 - checked above
        url,
        method=method,
        data=None if content is None else json.dumps(content).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {_variable('GITHUB_TOKEN')}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise ToolError(f"{method} {url}: status {error.code} {_message(error)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ToolError(f"{method} {url}: {error}") from error


def _message(error: urllib.error.HTTPError) -> str:
    return error.read(500).decode(errors="replace")


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ToolError(f"{name} is not set: expected the value that GitHub Actions gives it")
    return value


if __name__ == "__main__":
    run_tool(main)
