import json
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tools.console import ToolError
from tools.local.deployment import LocalDeployment, deployed_preset, read_local_deployment

DEPLOYMENT = LocalDeployment(
    api_url="http://127.0.0.1:4580/restapis/a/v1/_user_request_/",
    api_key="secret",
    page_url=None,
    endpoint_name="whippet-local",
    labels=["cat", "dog"],
    environment={"AWS_REGION": "us-east-1"},
    logs="/somewhere",
)


def test_what_is_written_is_read_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "build" / "local.json"
    DEPLOYMENT.write(file)
    DEPLOYMENT.write(file)  # again over the first
    assert read_local_deployment(file) == DEPLOYMENT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["local.json"]


def test_the_preset_is_that_of_the_cloud_that_is_running(tmp_path: Path) -> None:
    file = tmp_path / "local.json"
    assert deployed_preset(file) is None
    DEPLOYMENT.write(file)
    assert deployed_preset(file) is None
    with socket.create_server(("127.0.0.1", 0)) as cloud:
        url = f"https://127.0.0.1:{cloud.getsockname()[1]}"
        running = replace(DEPLOYMENT, environment={"AWS_ENDPOINT_URL": url})
        running.write(file)
        assert deployed_preset(file) is None
        replace(running, preset="dogs").write(file)
        assert deployed_preset(file) == "dogs"
    # After `make down`, which leaves the file.
    assert deployed_preset(file) is None
    # As an earlier version wrote it.
    content = json.loads(file.read_text())
    del content["preset"]
    file.write_text(json.dumps(content))
    assert deployed_preset(file) is None


def test_nothing_deployed(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"nothing is deployed\. Run `make up`"):
        read_local_deployment(tmp_path / "local.json")


@pytest.mark.parametrize("content", ["", "{", '{"api_url": "x"}', "[]"])
def test_a_broken_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "local.json"
    file.write_text(content)
    with pytest.raises(ToolError, match="cannot be read"):
        read_local_deployment(file)
