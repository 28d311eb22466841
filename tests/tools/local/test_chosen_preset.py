"""The preset of a local cloud is that with which it started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_cloud.place import Place, Record
from tools.console import ToolError
from tools.local.chosen_preset import choose_preset, is_running, keep_preset


def write_record(state: Path, process_id: int) -> None:
    Place(state).write_record(
        Record(process_id=process_id, process_started_at=0, port=1, public_port=2, region="r")
    )


@pytest.fixture
def running(tmp_path: Path) -> Path:
    write_record(tmp_path, os.getpid())
    return tmp_path


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    write_record(tmp_path, process.pid)
    keep_preset(tmp_path, "dogs")
    return tmp_path


def test_without_a_cloud_the_command_line_chooses(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    assert choose_preset(tmp_path, "notebook") == "notebook"
    assert choose_preset(tmp_path, None) is None


def test_a_cloud_that_has_ended_starts_clean_with_another(ended: Path) -> None:
    assert not is_running(ended)
    assert choose_preset(ended, "notebook") == "notebook"
    assert choose_preset(ended, None) is None


@pytest.mark.parametrize("given", ["dogs", None])
def test_a_running_cloud_keeps_its_preset(running: Path, given: str | None) -> None:
    keep_preset(running, "dogs")
    assert choose_preset(running, given) == "dogs"


def test_a_running_cloud_does_not_change_to_another_preset(running: Path) -> None:
    keep_preset(running, "dogs")
    with pytest.raises(ToolError, match="has the preset dogs, and what is deployed does not"):
        choose_preset(running, "resnet50")


@pytest.mark.parametrize("written", [True, False])
def test_a_running_cloud_without_a_preset_gets_none(running: Path, *, written: bool) -> None:
    if written:
        keep_preset(running, None)
    assert choose_preset(running, None) is None
    with pytest.raises(ToolError, match="has no preset, and what is deployed"):
        choose_preset(running, "resnet50")


def test_a_preset_that_does_not_exist_is_no_reason_to_stop_the_cloud(running: Path) -> None:
    keep_preset(running, "dogs")
    with pytest.raises(ToolError, match="'dog' is no preset, did you mean dogs") as raised:
        choose_preset(running, "dog")
    assert "make down" not in str(raised.value)
