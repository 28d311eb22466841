"""The comment on a pull request, against a server that behaves like GitHub's REST API."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tools.cdk import ROOT
from tools.console import ToolError
from tools.delivery import post_comment

COMMENTS = "/repos/octo/classifier/issues/7/comments"


class FakeGithub:
    """Keeps the comments of pull request 7."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.status = 200

    def add(self, body: str, author: str = "github-actions[bot]") -> dict[str, Any]:
        comment = {"id": 100 + len(self.comments), "body": body, "user": {"login": author}}
        self.comments.append(comment)
        return comment

    def handle(self, method: str, path: str, content: Any) -> Any:
        self.requests.append(method)
        parts = urlsplit(path)
        if method == "GET" and parts.path == COMMENTS:
            query = parse_qs(parts.query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return self.comments[(page - 1) * size : page * size]
        if method == "POST" and parts.path == COMMENTS:
            return self.add(content["body"])
        (comment,) = (
            each
            for each in self.comments
            if parts.path == f"/repos/octo/classifier/issues/comments/{each['id']}"
        )
        assert method == "PATCH"
        comment.update(content)
        return comment


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGithub]:
    fake = FakeGithub()

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(length)) if length else None
            authorized = self.headers["Authorization"] == "Bearer a-token"
            status = fake.status if authorized else 401
            response = (
                fake.handle(self.command, self.path, content)
                if status == 200
                else {"message": "Resource not accessible by integration"}
            )
            body = json.dumps(response).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _respond  # noqa: N815 - the names of http.server

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo/classifier")
    monkeypatch.setenv("GITHUB_TOKEN", "a-token")
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(**descriptions: str) -> None:
        for stage, text in descriptions.items():
            (tmp_path / f"{stage}.md").write_text(text, encoding="utf-8")
        arguments = ["--pull-request", "7", "--folder", str(tmp_path)]
        stages = json.dumps(list(descriptions))
        monkeypatch.setattr("sys.argv", ["post_comment", *arguments, "--stages", stages])
        post_comment.main()

    return run


def test_it_creates_one_comment_in_the_order_of_the_stages(github: FakeGithub, post: Any) -> None:
    post(qa="### Stage qa\nfür später", dev="### Stage dev\n")
    (comment,) = github.comments
    assert comment["body"].index("für später") < comment["body"].index("### Stage dev")


def test_it_updates_its_comment_and_no_other(github: FakeGithub, post: Any) -> None:
    github.add("<!-- whippet: changes of the stages --> quoted by a person", author="octocat")
    github.add("<!-- coverage --> 100 %")
    post(dev="first")
    post(dev="second")
    assert [comment["body"].rpartition("\n")[2] for comment in github.comments] == [
        "<!-- whippet: changes of the stages --> quoted by a person",
        "<!-- coverage --> 100 %",
        "second",
    ]


def test_it_finds_its_comment_on_a_later_page(github: FakeGithub, post: Any) -> None:
    for number in range(100):
        github.add(f"comment {number}", author="octocat")
    post(dev="first")
    for number in range(100):
        github.add(f"comment {number}", author="octocat")
    post(dev="second")
    assert len(github.comments) == 201
    assert github.comments[100]["body"].endswith("second")


def test_a_description_that_does_not_fit_is_left_out(github: FakeGithub, post: Any) -> None:
    post(dev="x" * 70_000, qa="short", prod="y" * 64_000)
    (comment,) = github.comments
    assert len(comment["body"]) <= 65_536
    assert "### Stage dev\n\nToo long for this comment" in comment["body"]
    assert "short" in comment["body"]
    assert "yyy" in comment["body"]


def test_what_github_refuses_is_one_line(github: FakeGithub, post: Any) -> None:
    github.status = 403
    with pytest.raises(ToolError, match=r"status 403 .*Resource not accessible by integration"):
        post(dev="x")


@pytest.mark.usefixtures("github")
@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_REPOSITORY"])
def test_a_missing_variable_is_named(post: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ToolError, match=f"{name} is not set"):
        post(dev="x")


@pytest.mark.usefixtures("github")
@pytest.mark.parametrize("url", ["file:///etc", "http://127.0.0.1:9"])
def test_another_address_is_refused(post: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("GITHUB_API_URL", url)
    with pytest.raises(ToolError, match=r"expected an address|GET http://127\.0\.0\.1:9/.*refused"):
        post(dev="x")


def test_the_workflows_script_runs_it_with_the_standard_library_alone(
    github: FakeGithub, tmp_path: Path
) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pull-request.yml").read_text())
    (step,) = (each for each in workflow["jobs"]["comment"]["steps"] if "run" in each)
    assert set(step["env"]) == {"GITHUB_TOKEN", "NAMES", "PULL_REQUEST"}
    (tmp_path / "build" / "change").mkdir(parents=True)
    (tmp_path / "build" / "change" / "dev.md").write_text("### Stage dev\n")
    for name in ("stacks", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    # As the runner's Python, which has none of the packages.
    (tmp_path / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    ended = subprocess.run(
        ["bash", "-e", "-c", step["run"]],  # noqa: S607 - the runner's shell
        cwd=tmp_path,
        env=os.environ
        | {"NAMES": '["dev"]', "PULL_REQUEST": "7", "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "Created the comment.\n"), ended.stderr
    assert github.comments[0]["body"].endswith("### Stage dev\n")
