"""What a user sees of `make batch`, and how it ends."""

import errno
import json
import os
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import EndpointConnectionError

from tests.tools.batch.stage import BUCKET, FakeS3, FakeStates, error_of, fake_stage
from tests.tools.terminal import Terminal
from tools.batch import jobs, run
from tools.batch.destination import Folder
from tools.batch.folder import scan_folder
from tools.batch.prefix import scan_prefix
from tools.batch.stage import BatchStage
from tools.console import ToolError
from tools.s3_uri import S3Uri

FAILED = {
    "status": "FAILED",
    "error": "States.TaskFailed",
    "cause": json.dumps(
        {
            "TransformJobName": "whippet-dev-x-1-0",
            "TransformJobStatus": "Failed",
            "FailureReason": "AlgorithmError: See job logs for more information",
        }
    ),
}


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def states(s3: FakeS3) -> FakeStates:
    return FakeStates(s3)


@pytest.fixture(autouse=True)
def stage(s3: FakeS3, states: FakeStates, monkeypatch: pytest.MonkeyPatch) -> BatchStage:
    opened = fake_stage(s3, states)
    monkeypatch.setattr(run, "open_batch_stage", lambda *_: opened)
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0)
    return opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "My photos"
    for name, content in (("a.jpg", "cat"), ("b/a.jpg", "broken"), ("b/c.jpg", "cat"), ("d", "")):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return folder


def main(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["run", *options])
    return run.main()


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path) -> Any:
    results = str(tmp_path / "results")
    return lambda: main(monkeypatch, "--source", str(source), "--destination", results)


def name_of(states: FakeStates) -> str:
    return str(next(iter(states.started.values()))["run"])


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_file_has_a_line_and_the_same_content_is_sent_once(
    begin: Any, tmp_path: Path, states: FakeStates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert begin() == 0
    found = lines(tmp_path / "results" / "predictions.jsonl")
    assert [(each["key"], each.get("predictions")) for each in found] == [
        ("a.jpg", [{"label": "cat"}]),
        ("b/a.jpg", None),
        ("b/c.jpg", [{"label": "cat"}]),
        ("d", None),
    ]
    assert [each["error"]["code"] for each in found if "error" in each] == [
        "unreadable_image",
        "empty_body",
    ]
    printed = capsys.readouterr().out
    assert (
        "4 files: 3 to classify (2 different; 2 uploaded, 0 there already), 1 not sent" in printed
    )
    assert "1 x ml.m5.large: 0.115 USD an hour while it runs (us-east-1, price of " in printed
    assert f"Run {name_of(states)} of the stage dev, job 1 with 2 images" in printed
    assert "4 images: 2 classified, 2 failed" in printed


def test_a_terminal_shows_how_many_results_there_are(
    begin: Any, monkeypatch: pytest.MonkeyPatch, states: FakeStates
) -> None:
    monkeypatch.setattr("tools.status_line._LIVE_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0.2)
    states.results, states.running = 1, 2
    with redirect_stdout(Terminal()) as terminal, pytest.raises(ToolError):
        begin()
    assert "  1 of 2 results, 0 s so far" in terminal.getvalue()
    assert not [line for line in terminal.lines if "so far" in line]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (FAILED, "failed: AlgorithmError: See job logs for more information\nIts log is in "),
        ({"status": "ABORTED", "error": "Stopped"}, "was stopped: Stopped\n"),
        ({"status": "TIMED_OUT"}, "took longer than batch.max_runtime_seconds = 14400 and was"),
        (
            {"status": "FAILED", "error": "SageMaker.X", "cause": "No \x1b quota"},
            r"failed: No \x1b quota",
        ),
    ],
)
def test_a_job_that_fails_is_told_with_its_reason_and_continued(
    monkeypatch: pytest.MonkeyPatch,
    begin: Any,
    states: FakeStates,
    tmp_path: Path,
    end: dict[str, Any],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    states.ends, states.results = [end], 1
    with pytest.raises(ToolError) as told:
        begin()
    name = name_of(states)
    assert f"The job of {name} {said}" in str(told.value)
    assert "1 of 2 images classified. " in str(told.value)
    assert f"`make batch RUN={name} STAGE=dev` continues" in str(told.value)
    assert not (tmp_path / "results").exists()
    assert main(monkeypatch, "--run", name) == 0
    assert f"Run {name} of the stage dev, job 2 with 1 image;" in capsys.readouterr().out
    assert len(lines(tmp_path / "results" / "predictions.jsonl")) == 4


def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch,
    begin: Any,
    states: FakeStates,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "follow", interrupt)
        assert begin() == 130
    name = name_of(states)
    printed = capsys.readouterr().out
    assert f"Continue: make batch RUN={name} STAGE=dev" in printed
    assert f"Stop it:  make batch RUN={name} STOP=1 STAGE=dev" in printed
    assert states.stopped == []
    # It is watched again, not started again.
    assert main(monkeypatch, "--run", name) == 0
    assert list(states.started) == [f"{name}-1"]


def test_a_run_that_another_terminal_continues_is_watched(
    monkeypatch: pytest.MonkeyPatch, begin: Any, states: FakeStates
) -> None:
    states.ends, states.results = [FAILED], 1
    with pytest.raises(ToolError, match="failed"):
        begin()
    name = name_of(states)
    states.results = 2
    start = states.start_execution

    def started_twice(**given: Any) -> None:
        start(**given)
        start(**given)

    monkeypatch.setattr(states, "start_execution", started_twice)
    assert main(monkeypatch, "--run", name) == 0
    assert list(states.started) == [f"{name}-1", f"{name}-2"]


def test_a_job_that_could_not_be_started_is_started_by_the_next_command(
    monkeypatch: pytest.MonkeyPatch, begin: Any, s3: FakeS3, states: FakeStates
) -> None:
    def lose(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://states")

    with monkeypatch.context() as patch:
        patch.setattr(states, "start_execution", lose)
        with pytest.raises(ToolError, match="Continue: make batch RUN="):
            begin()
    (record,) = (key for _, key in s3.objects if key.endswith("/run.json"))
    assert main(monkeypatch, "--run", record.split("/")[-2]) == 0
    assert len(states.started) == 1


def test_a_lost_connection_is_told_like_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, begin: Any, states: FakeStates
) -> None:
    def lose(*_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://states")

    monkeypatch.setattr(run, "follow", lose)
    with pytest.raises(ToolError) as told:
        begin()
    assert "https://states" in str(told.value)
    assert f"Continue: make batch RUN={name_of(states)} STAGE=dev" in str(told.value)


def test_a_running_job_is_stopped_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
    begin: Any,
    states: FakeStates,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run, "follow", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        begin()
    name = name_of(states)
    monkeypatch.setattr(
        states,
        "describe_execution",
        lambda **_: {"status": "RUNNING", "startDate": datetime.now(UTC)},
    )
    assert main(monkeypatch, "--run", name, "--stop") == 0
    assert states.stopped == [f"{name}-1"]
    monkeypatch.undo()
    assert f"`make batch RUN={name} STAGE=dev` continues" in capsys.readouterr().out


def test_a_job_that_completes_without_a_result_is_an_error(begin: Any, states: FakeStates) -> None:
    states.results = 1
    with pytest.raises(ToolError, match="has completed, but without a result of 1 image, such as "):
        begin()


def test_an_image_that_could_expire_is_uploaded_again(
    begin: Any, s3: FakeS3, tmp_path: Path, stage: BatchStage
) -> None:
    begin()
    images = [key for key in s3.written if key.startswith("batch/inputs/") and "." not in key]
    assert len(images) == 2
    days = stage.settings.batch.retention_days
    s3.modified[images[0]] = datetime.now(UTC) - timedelta(days=days / 2 + 1)
    s3.written.clear()
    (tmp_path / "results").rename(tmp_path / "moved away")
    begin()
    assert [key for key in s3.written if key in images] == images[:1]


def test_a_run_whose_images_have_expired_begins_again(
    monkeypatch: pytest.MonkeyPatch, begin: Any, s3: FakeS3, states: FakeStates
) -> None:
    states.ends, states.results = [FAILED], 1
    with pytest.raises(ToolError, match="1 of 2 images classified"):
        begin()
    results = {key.rpartition("/")[2] for _, key in s3.objects if key.endswith(".out")}
    for bucket, key in list(s3.objects):
        if key.startswith("batch/inputs/") and f"{key.rpartition('/')[2]}.out" not in results:
            del s3.objects[bucket, key]
    with pytest.raises(ToolError, match=r"Expired: 1 image without a result \(batch"):
        main(monkeypatch, "--run", name_of(states))


def test_ctrl_c_while_results_are_merged_says_how_to_merge_them(
    monkeypatch: pytest.MonkeyPatch,
    begin: Any,
    states: FakeStates,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, "write_results", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert begin() == 130
    assert f"`make batch RUN={name_of(states)} STAGE=dev` merges them" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["a file", "a file/below/it"])
def test_a_destination_that_is_a_file_is_told_before_a_job_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Path, s3: FakeS3, place: str
) -> None:
    (tmp_path / "a file").touch()
    options = ("--source", str(source), "--destination", str(tmp_path / place))
    with pytest.raises(ToolError, match="a file is a file; expected a folder"):
        main(monkeypatch, *options)
    assert s3.written == []


def test_a_folder_that_cannot_be_written_is_told_before_a_job_starts(
    monkeypatch: pytest.MonkeyPatch, begin: Any, s3: FakeS3
) -> None:
    # The tests may run as root, who may write everywhere.
    monkeypatch.setattr("tools.batch.destination.os.access", lambda *_: False)
    with pytest.raises(ToolError, match="cannot be written; take another DST"):
        begin()
    assert s3.written == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("NoSuchBucket", "there is no bucket results"),
        ("AccessDenied", "s3:GetObject, s3:PutObject and s3:ListBucket"),
    ],
)
def test_a_destination_in_s3_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, source: Path, s3: FakeS3, code: str, message: str
) -> None:
    def refuse(**_: Any) -> None:
        raise error_of(code)

    monkeypatch.setattr(s3, "get_object", refuse)
    options = ("--source", str(source), "--destination", "s3://results/2026")
    with pytest.raises(ToolError, match=f"DST=s3://results/2026: .*{message}"):
        main(monkeypatch, *options)
    assert s3.written == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        S3UploadFailedError("AccessDenied"),
        error_of("AccessDenied"),
    ],
)
def test_results_that_cannot_be_written_can_be_written_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
    begin: Any,
    states: FakeStates,
    tmp_path: Path,
    error: Exception,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "write", lambda *_: (_ for _ in ()).throw(error))
        with pytest.raises(ToolError) as raised:
            begin()
    name = name_of(states)
    assert f"`make batch RUN={name} STAGE=dev DST=...` writes them" in str(raised.value)
    elsewhere = tmp_path / "elsewhere"
    assert main(monkeypatch, "--run", name, "--destination", str(elsewhere)) == 0
    assert len(lines(elsewhere / "predictions.jsonl")) == 4
    assert len(states.started) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [("predictions.jsonl", "{}"), ("summary.json", "{}"), ("summary.json", '{"run": "other-1"}')],
)
def test_no_results_are_overwritten(
    begin: Any, tmp_path: Path, name: str, text: str, s3: FakeS3
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / name).write_text(text)
    with pytest.raises(ToolError, match="take another DST, or move them away"):
        begin()
    assert s3.written == []


def test_a_run_that_is_continued_overwrites_its_own_results_alone(
    monkeypatch: pytest.MonkeyPatch, begin: Any, tmp_path: Path, states: FakeStates
) -> None:
    begin()
    name = name_of(states)
    other = tmp_path / "other"
    other.mkdir()
    (other / "summary.json").write_text('{"run": "other-20260101-000000"}')
    with pytest.raises(ToolError, match="has the results of the run other-20260101-000000"):
        main(monkeypatch, "--run", name, "--destination", str(other))
    assert main(monkeypatch, "--run", name) == 0


def test_a_file_that_is_too_large_is_not_sent(
    begin: Any, tmp_path: Path, source: Path, stage: BatchStage
) -> None:
    (source / "a.jpg").write_bytes(bytes(stage.max_image_bytes))
    (source / "b" / "c.jpg").write_bytes(bytes(stage.max_image_bytes + 1))
    begin()
    found = {each["key"]: each for each in lines(tmp_path / "results" / "predictions.jsonl")}
    assert "predictions" in found["a.jpg"]
    assert found["b/c.jpg"]["error"]["code"] == "payload_too_large"
    assert "10000001 bytes" in found["b/c.jpg"]["error"]["message"]


def test_a_response_of_another_kind_is_not_taken_for_a_result(
    begin: Any, s3: FakeS3, states: FakeStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin()
    name = name_of(states)
    key = next(key for bucket, key in s3.objects if key.endswith(".out"))
    s3.objects[BUCKET, key] = b"<html>"
    with pytest.raises(ToolError, match="is not a response of the model server"):
        main(monkeypatch, "--run", name)


def test_a_name_cannot_imitate_the_line_of_another_image(
    begin: Any, tmp_path: Path, source: Path
) -> None:
    name = 'x\u2028{"key":"b"}\u2029\x85\x9b2J\x7f'
    (source / name).write_text("cat")
    begin()
    text = (tmp_path / "results" / "predictions.jsonl").read_text()
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert [json.loads(line)["key"] for line in text.splitlines()][-1] == name


def test_links_to_files_are_followed_and_those_to_folders_are_accounted_for(
    begin: Any, tmp_path: Path, source: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "cat.jpg").write_text("cat")
    (source / "e").symlink_to(elsewhere / "cat.jpg")
    (source / "f").symlink_to(elsewhere)
    begin()
    found = {each["key"]: each for each in lines(tmp_path / "results" / "predictions.jsonl")}
    assert "predictions" in found["e"]
    assert found["f"]["error"]["code"] == "unreadable_file"
    assert "f/cat.jpg" not in found


@pytest.mark.parametrize("closed", [".", "b"])
def test_a_folder_that_cannot_be_read_is_not_left_out(
    begin: Any, source: Path, s3: FakeS3, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    close(monkeypatch, source / closed)
    with pytest.raises(ToolError, match=r"cannot be read \(Permission denied\)"):
        begin()
    assert s3.written == []


def test_a_hidden_folder_need_not_be_readable(
    begin: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / ".trash").mkdir()
    close(monkeypatch, source / ".trash")
    assert begin() == 0


def close(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Refuse to list a folder; its permissions would not stop root, who may run these tests."""
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path) == str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_a_link_in_the_destination_is_replaced_and_not_written_through(
    begin: Any, tmp_path: Path
) -> None:
    results, other = tmp_path / "results", tmp_path / "other"
    results.mkdir()
    other.write_text("kept")
    (results / "failures.jsonl").symlink_to(other)
    (results / "predictions.jsonl.partial").symlink_to(other)
    begin()
    assert other.read_text() == "kept"
    assert {each.name: each.is_symlink() for each in results.iterdir()} == {
        "predictions.jsonl": False,
        "failures.jsonl": False,
        "summary.json": False,
    }


def test_the_name_of_another_run_does_not_control_the_terminal(begin: Any, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "summary.json").write_text('{"run": "\\u001b[2J"}')
    with pytest.raises(ToolError, match=r"the results of the run \\x1b\[2J"):
        begin()


def test_a_file_cannot_take_the_name_of_an_object(
    tmp_path: Path, s3: FakeS3, stage: BatchStage
) -> None:
    s3.objects["photos", "2026/a.jpg"] = b"cat"
    (image,) = scan_prefix(stage, S3Uri("photos", "2026")).images
    (tmp_path / "file").write_text('photos\n2026/a.jpg\n"0"\n3')
    (file,) = scan_folder(stage, tmp_path).images
    assert image.name != file.name


def test_nothing_is_sent_of_a_source_without_images(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, states: FakeStates
) -> None:
    folder = tmp_path / "none"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").touch()
    options = ("--source", str(folder), "--destination", str(tmp_path / "x"))
    with pytest.raises(ToolError, match="has no files but 1 hidden one: expected images"):
        main(monkeypatch, *options)
    (folder / "empty.jpg").touch()
    assert main(monkeypatch, *options) == 0
    assert states.started == {}
    (line,) = lines(tmp_path / "x" / "failures.jsonl")
    assert line["error"]["code"] == "empty_body"
