"""`make batch`: a folder and a prefix of S3 through the deployed state machine and a real job."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.local.batches import (
    batch,
    check_online,
    check_results,
    killed_run,
    lines_of,
    make_images,
    outputs_of,
    results_of,
)
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]
COUNT = 200


class Photos(NamedTuple):
    """A folder, and the errors to expect, by key."""

    folder: Path
    errors: dict[str, str]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    folder = tmp_path_factory.mktemp("batch") / "fotos à classer"
    errors = make_images(folder, COUNT)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.jpg").write_bytes(b"x")
    (folder / "empty.png").touch()
    (folder / "large.png").write_bytes(bytes(10_000_001))
    # The same content under another name is classified once.
    (folder / "zz.png").write_bytes((folder / "Straße 0" / "søm billede 0.png").read_bytes())
    errors |= {"empty.png": "empty_body", "large.png": "payload_too_large"}
    return Photos(folder, errors)


@pytest.fixture(scope="module")
def source(photos: Photos) -> Path:
    return photos.folder


@pytest.fixture(scope="module")
def uninterrupted(state: Path, source: Path, client: Client) -> Path:
    results = source.parent / "results"
    ended = batch(state, "--source", str(source), "--destination", str(results))
    assert f"images into s3://{outputs_of(client)['BatchBucketName']}/batch/inputs/" in ended.stdout
    assert "Left out: 1 hidden file, such as .hidden/a.jpg" in ended.stdout
    assert f"{COUNT + 3} files: {COUNT + 1} to classify ({COUNT} different; " in ended.stdout
    assert f"{COUNT + 3} images: {COUNT - 1} classified, 4 failed" in ended.stdout
    assert "1 empty_body" in ended.stdout
    assert not re.search(r"USD", ended.stdout), "it costs nothing here"
    return results


def test_every_image_is_accounted_for_and_has_what_the_api_responds(
    deployment: LocalDeployment, photos: Photos, uninterrupted: Path
) -> None:
    source = photos.folder
    check_results(source, uninterrupted, photos.errors)
    broken = [key for key in photos.errors if key.startswith("Straße")]
    assert len(broken) == 2
    sample = [f"Straße {number}/søm billede {number * 4}.png" for number in range(6)]
    check_online(deployment, source, uninterrupted, [*sample, *broken])
    first, last = (
        next(each for each in lines_of(uninterrupted / "predictions.jsonl") if each["key"] == key)
        for key in ("Straße 0/søm billede 0.png", "zz.png")
    )
    assert {**first, "key": ""} == {**last, "key": ""}


def test_a_run_that_was_killed_in_the_middle_is_continued(
    state: Path, client: Client, source: Path, uninterrupted: Path
) -> None:
    results = source.parent / "continued results"
    run, printed = killed_run(state, client, source, results)
    assert f"({COUNT} different; 0 uploaded, {COUNT} there already)" in printed
    done = results_of(client, run)
    assert 0 < done < COUNT
    ended = batch(state, "--run", run)
    assert f"Run {run} of the stage local, job 2 with {COUNT - done} images" in ended.stdout
    for name in ("predictions.jsonl", "failures.jsonl"):
        assert (results / name).read_bytes() == (uninterrupted / name).read_bytes()
    again = batch(state, "--run", run)
    assert "job 3" not in again.stdout, "there is nothing left to classify"


@pytest.fixture
def prefix(client: Client) -> Iterator[str]:
    s3 = client("s3")
    s3.create_bucket(Bucket="batch-test")
    yield "s3://batch-test"
    for each in s3.list_objects_v2(Bucket="batch-test")["Contents"]:
        s3.delete_object(Bucket="batch-test", Key=each["Key"])
    s3.delete_bucket(Bucket="batch-test")


def test_a_prefix_of_s3_gives_what_the_same_folder_gives(
    state: Path, client: Client, source: Path, uninterrupted: Path, prefix: str
) -> None:
    s3 = client("s3")
    keys = ["Straße 0/søm billede 1.png", "Straße 1/søm billede 8.png", "empty.png"]
    for key in keys:
        s3.put_object(Bucket="batch-test", Key=f"in +%/{key}", Body=(source / key).read_bytes())
    for key in ("in +%/", "in +%/.hidden/a.jpg", "in +%-other/b.jpg"):
        s3.put_object(Bucket="batch-test", Key=key, Body=b"")
    places = ("--source", f"{prefix}/in +%/", "--destination", f"{prefix}/out")
    ended = batch(state, *places)
    assert "Left out: 1 hidden file, such as " in ended.stdout
    written = s3.get_object(Bucket="batch-test", Key="out/predictions.jsonl")["Body"].read()
    lines = [json.loads(line) for line in written.decode().splitlines()]
    expected = {each["key"]: each for each in lines_of(uninterrupted / "predictions.jsonl")}
    assert lines == [expected[key] for key in keys]
    refused = batch(state, *places, check=False)
    assert refused.returncode == 1
    assert "DST=s3://batch-test/out has the results of the run in-" in refused.stderr


def test_what_cannot_be_classified_is_refused_with_what_to_do(
    state: Path, source: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    taken = batch(state, "--source", str(source), "--destination", str(uninterrupted), check=False)
    assert f"DST={uninterrupted} has the results of the run fotos-" in taken.stderr
    (tmp_path / "none").mkdir()
    none = batch(
        state, "--source", str(tmp_path / "none"), "--destination", str(tmp_path / "x"), check=False
    )
    assert "has no files: expected images." in none.stderr
    places = ("--source", "s3://no-such-photos/2026", "--destination", str(tmp_path / "x"))
    missing = batch(state, *places, check=False)
    assert "SRC=s3://no-such-photos/2026: there is no bucket no-such-photos;" in missing.stderr
    unknown = batch(state, "--run", "other-20260101-000000", check=False)
    assert (
        "RUN=other-20260101-000000: the stage local has no run of this name; the latest are "
        in (unknown.stderr)
    )
    assert "after 14 days (batch.retention_days)" in unknown.stderr
    assert not (tmp_path / "x").exists()
    for refused in (taken, none, missing, unknown):
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
