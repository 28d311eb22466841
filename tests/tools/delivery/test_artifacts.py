import base64
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from tools.console import ToolError
from tools.delivery.artifacts import copy, models_bucket, upload
from tools.s3_objects import stored_sha256

CONTENT = b"an artifact"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CHECKSUM = base64.b64encode(bytes.fromhex(SHA256)).decode()
OBJECT = {"Bucket": "b", "Key": "k"}
HEAD = {**OBJECT, "ChecksumMode": "ENABLED"}


@pytest.fixture
def s3() -> Any:
    return boto3.client(
        "s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


@pytest.fixture
def stub(s3: Any) -> Iterator[Stubber]:
    with Stubber(s3) as stub:
        yield stub
        stub.assert_no_pending_responses()


def body(content: bytes = CONTENT) -> dict[str, Any]:
    return {"Body": StreamingBody(io.BytesIO(content), len(content))}


def test_s3_knows_the_sha256_of_what_was_written_with_it(s3: Any, stub: Stubber) -> None:
    stub.add_response("head_object", {"ChecksumSHA256": CHECKSUM}, HEAD)
    assert stored_sha256(s3, "b", "k") == SHA256


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"ChecksumSHA256": f"{CHECKSUM}-2"},
        {"ChecksumSHA256": CHECKSUM, "ChecksumType": "COMPOSITE"},
    ],
)
def test_other_objects_are_read(s3: Any, stub: Stubber, head: dict[str, str]) -> None:
    stub.add_response("head_object", head, HEAD)
    stub.add_response("get_object", body(b"other bytes"), OBJECT)
    assert stored_sha256(s3, "b", "k") == hashlib.sha256(b"other bytes").hexdigest()


def test_an_object_that_is_not_there_has_none(s3: Any, stub: Stubber) -> None:
    stub.add_client_error("head_object", "404", expected_params=HEAD)
    assert stored_sha256(s3, "b", "k") is None
    stub.add_client_error("head_object", "403", expected_params=HEAD)
    with pytest.raises(Exception, match="403"):
        stored_sha256(s3, "b", "k")


def test_what_is_there_is_not_uploaded_again(s3: Any, stub: Stubber, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(CONTENT)
    stub.add_response("head_object", {"ChecksumSHA256": CHECKSUM}, HEAD)
    assert not upload(s3, archive, "b", "k", sha256=SHA256)
    # Another object under the key is replaced; S3 compares what arrives with the sha256.
    stub.add_response("head_object", {"ChecksumSHA256": "A" * 43 + "="}, HEAD)
    stub.add_response("put_object", {}, {**OBJECT, "Body": ANY, "ChecksumSHA256": CHECKSUM})
    assert upload(s3, archive, "b", "k", sha256=SHA256)


def test_a_copy_is_compared_with_the_lock(s3: Any, stub: Stubber) -> None:
    expected = {
        **OBJECT, "CopySource": {"Bucket": "from", "Key": "there"}, "ChecksumAlgorithm": "SHA256"
    }  # fmt: skip
    stub.add_response("copy_object", {}, expected)
    stub.add_response("head_object", {"ChecksumSHA256": CHECKSUM}, HEAD)
    copy(s3, "from", "there", "b", "k", sha256=SHA256)
    stub.add_response("copy_object", {}, expected)
    stub.add_response("head_object", {"ChecksumSHA256": CHECKSUM}, HEAD)
    with pytest.raises(ToolError, match=rf"s3://from/there has the sha256 {SHA256}, expected 00"):
        copy(s3, "from", "there", "b", "k", sha256="0" * 64)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("NoSuchKey", "does not exist: promote the model again"), ("AccessDenied", "model_readers")],
)
def test_a_source_that_cannot_be_read(s3: Any, stub: Stubber, code: str, reason: str) -> None:
    stub.add_client_error("copy_object", code)
    with pytest.raises(ToolError) as raised:
        copy(s3, "from", "there", "b", "k", sha256=SHA256)
    assert "s3://from/there" in str(raised.value)
    assert reason in str(raised.value)


def test_the_bucket_is_an_output_of_the_storage_stack() -> None:
    cloudformation = boto3.client(
        "cloudformation", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    stack = {"StackName": "whippet-dev-storage", "StackStatus": "CREATE_COMPLETE"}
    stack["CreationTime"] = "2026-01-01T00:00:00Z"
    output = {"OutputKey": "ModelsBucketName", "OutputValue": "b"}
    with Stubber(cloudformation) as stub:
        named = {"StackName": "whippet-dev-storage"}
        stub.add_response("describe_stacks", {"Stacks": [stack | {"Outputs": [output]}]}, named)
        assert models_bucket(cloudformation, "whippet-dev") == "b"
        stub.add_response("describe_stacks", {"Stacks": [stack]}, named)
        with pytest.raises(ToolError, match="has no output ModelsBucketName"):
            models_bucket(cloudformation, "whippet-dev")
        missing = "Stack with id whippet-dev-storage does not exist"
        stub.add_client_error("describe_stacks", "ValidationError", missing)
        assert models_bucket(cloudformation, "whippet-dev") is None
