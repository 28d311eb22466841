"""From nothing to a served model, to another one and back, as docs/delivery.md has the order."""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

from tests.local.delivery.conftest import NAME, STAGE, Delivery
from tools.delivery.artifacts import models_bucket


def lock_of(delivery: Delivery) -> dict[str, Any]:
    path = delivery.clone / "config" / "models" / f"{STAGE}.toml"
    return tomllib.loads(path.read_text())


def sha256_of(archive: Path) -> str:
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def bucket_of(delivery: Delivery) -> str:
    bucket = models_bucket(delivery.client("cloudformation"), NAME)
    assert bucket
    return bucket


def deploy_from_here(delivery: Delivery) -> str:
    """Deploy around the pipeline, which must fail; return what was printed."""
    ended = delivery.run(
        "env", "WHIPPET_BREAK_GLASS=1",
        "python", "-m", "tools.deployment.deploy", "--stage", STAGE, "--yes",
        check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    return ended.stdout + ended.stderr


def check_version(delivery: Delivery, *, passes: bool = True) -> str:
    """Run the deployment check, which may retry for two minutes where it is to pass."""
    return delivery.tool(
        "tools.delivery.check_deployment", "--api-url", delivery.api_url(), check=passes
    )


def test_a_promotion_before_the_storage_stack_says_what_comes_first(delivery: Delivery) -> None:
    ended = delivery.run("make", "-s", "promote", f"STAGE={STAGE}", check=False)
    assert ended.returncode == 2
    assert f"`make deploy STAGE={STAGE} ONLY=storage`" in ended.stderr
    assert not (delivery.clone / "config" / "models").exists()


def test_a_new_stage_is_promoted_before_it_is_deployed(delivery: Delivery, stored: str) -> None:
    assert "Model before: no lock" in stored
    version = sha256_of(delivery.clone / "build" / "model" / "model.tar.gz")[:12]
    expected = f"Model now:    colours-3 {version}, 3 classes, 87.5% of 8 unseen images correct"
    assert expected in stored
    assert f"make deploy STAGE={STAGE}" in stored
    lock = lock_of(delivery)
    stored_object = delivery.client("s3").head_object(
        Bucket=bucket_of(delivery), Key=lock["key"], ChecksumMode="ENABLED"
    )
    archive = delivery.clone / "build" / "model" / "model.tar.gz"
    assert stored_object["ContentLength"] == archive.stat().st_size
    assert lock["source_uri"] == f"s3://{bucket_of(delivery)}/{lock['key']}"


def test_the_locked_model_is_served(delivery: Delivery, first: str) -> None:
    version = lock_of(delivery)["sha256"][:12]
    assert f"Model new: colours-3 {version}" in first
    assert f"responses of colours-3 {version}" in check_version(delivery)


def test_another_model_and_the_first_again(
    delivery: Delivery, second: str, rolled_back: str
) -> None:
    old, new = (
        sha256_of(delivery.clone / "build" / name / "model.tar.gz")[:12]
        for name in ("model", "another")
    )
    assert f"Model before: colours-3 {old}" in second
    assert f"Model new: colours-2 {new}" in second
    assert f"Rolling {STAGE} back to: colours-3 {old}" in rolled_back
    assert f"Model now: colours-2 {new}" in rolled_back
    assert lock_of(delivery)["sha256"].startswith(old)
    subject = delivery.run("git", "log", "-1", "--format=%s").stdout
    assert subject == f"Roll {STAGE} back to {old}\n"
    assert delivery.run("git", "status", "--porcelain").stdout == ""
    assert f"responses of colours-3 {old}" in check_version(delivery)


def test_no_model_before_the_first(delivery: Delivery, rolled_back: str) -> None:
    assert rolled_back
    ended = delivery.run("make", "-s", "rollback", f"STAGE={STAGE}", check=False)
    assert ended.returncode == 2
    assert f"The stage {STAGE} has no model before colours-3" in ended.stderr


def test_an_object_that_differs_from_the_lock_stops_before_cloudformation(
    delivery: Delivery, rolled_back: str
) -> None:
    assert rolled_back
    s3, where = (
        delivery.client("s3"),
        {"Bucket": bucket_of(delivery), "Key": lock_of(delivery)["key"]},
    )
    content = s3.get_object(**where)["Body"].read()
    s3.put_object(**where, Body=b"other bytes")
    printed = deploy_from_here(delivery)
    assert f"s3://{where['Bucket']}/{where['Key']} has the sha256" in printed
    assert "✨" not in printed, "the CDK command line did not start"
    s3.delete_object(**where)
    printed = deploy_from_here(delivery)
    assert f"which is not at s3://{where['Bucket']}/{where['Key']}" in printed
    assert f"`python -m tools.delivery.copy_model --stage {STAGE}`" in printed
    s3.put_object(**where, Body=content)


def test_a_wrong_version_fails_the_deployment_check(delivery: Delivery, rolled_back: str) -> None:
    assert rolled_back
    files = [
        delivery.clone / "config" / "models" / f"{STAGE}.{end}" for end in ("toml", "manifest.json")
    ]
    before = [path.read_bytes() for path in files]
    source = f"SOURCE_STAGE={STAGE}"
    delivery.run("make", "-s", "promote", f"STAGE={STAGE}", "MODEL=build/another", source)
    program = (
        "import tools.delivery.check_deployment as c; c._MAX_SECONDS = 0.0; "
        "from tools.console import run_tool; run_tool(c.main)"
    )
    ended = delivery.run(
        "python", "-c", program, "--stage", STAGE, "--api-url", delivery.api_url(), check=False
    )
    assert ended.returncode == 1
    assert "expected " in ended.stderr
    assert "the endpoint was not updated, or was rolled back" in ended.stderr
    for path, content in zip(files, before, strict=True):
        path.write_bytes(content)


def test_a_rollback_to_what_is_no_longer_stored_commits_nothing(
    delivery: Delivery, rolled_back: str
) -> None:
    assert rolled_back
    another = sha256_of(delivery.clone / "build" / "another" / "model.tar.gz")
    where = {"Bucket": bucket_of(delivery), "Key": f"serving/{another}/model.tar.gz"}
    content = delivery.client("s3").get_object(**where)["Body"].read()
    delivery.client("s3").delete_object(**where)
    ended = delivery.run(
        "env", "WHIPPET_BREAK_GLASS=1",
        "python", "-m", "tools.delivery.rollback", "--stage", STAGE, f"--to={another[:8]}",
        check=False,
    )  # fmt: skip
    assert f"which is not at s3://{where['Bucket']}/{where['Key']}" in ended.stderr
    assert "Nothing was committed" in ended.stderr
    assert delivery.run("git", "log", "-1", "--format=%s").stdout.startswith("Roll trial back")
    delivery.client("s3").put_object(**where, Body=content)


def test_a_stage_of_another_door_is_not_deployed_from_here(
    delivery: Delivery, rolled_back: str
) -> None:
    assert rolled_back
    printed = delivery.tool("tools.deployment.deploy", "--yes", check=False)
    assert f"The stage {STAGE} is deployed by the pipeline" in printed
    ended = delivery.run("make", "-s", "promote", f"STAGE={STAGE}", check=False)
    assert "add SOURCE_STAGE=" in ended.stderr
    another = sha256_of(delivery.clone / "build" / "another" / "model.tar.gz")
    rollback = ("make", "-s", "rollback", f"STAGE={STAGE}", f"TO={another[:8]}")
    assert delivery.run(*rollback).stdout.endswith("Push it to the main branch: `git push`.\n")
    assert lock_of(delivery)["sha256"] == another
    delivery.run("git", "reset", "--quiet", "--hard", "HEAD^")
