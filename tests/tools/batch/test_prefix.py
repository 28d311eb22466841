"""A prefix of S3 as the source of a run: each image is the one that was listed."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.tools.batch.stage import BUCKET, FakeS3, FakeStates, error_of, fake_stage
from tools.batch.inputs import store_inputs
from tools.batch.prefix import scan_prefix
from tools.batch.stage import BatchStage
from tools.console import ToolError
from tools.s3_uri import S3Uri

SOURCE = S3Uri("photos", "2026")


class CopyingS3(FakeS3):
    """Also copies objects, if they have the ETag that the copy names."""

    def copy_object(self, **given: Any) -> None:
        source = given["CopySource"]["Bucket"], given["CopySource"]["Key"]
        if given.get("CopySourceIfMatch") not in {None, self.etag_of(self.objects[source])}:
            raise error_of("PreconditionFailed")
        self.put_object(Bucket=given["Bucket"], Key=given["Key"], Body=self.objects[source])


@pytest.fixture
def s3() -> CopyingS3:
    found = CopyingS3()
    found.objects["photos", "2026/a.jpg"] = b"cat"
    return found


@pytest.fixture
def stage(s3: CopyingS3) -> BatchStage:
    return fake_stage(s3, FakeStates(s3))


def stored(s3: CopyingS3) -> list[bytes]:
    return [content for (bucket, _), content in s3.objects.items() if bucket == BUCKET]


def test_an_image_that_was_replaced_is_another_one(s3: CopyingS3, stage: BatchStage) -> None:
    assert store_inputs(stage, scan_prefix(stage, SOURCE).images) == (1, 0)
    assert store_inputs(stage, scan_prefix(stage, SOURCE).images) == (0, 1)
    s3.objects["photos", "2026/a.jpg"] = b"dog"
    assert store_inputs(stage, scan_prefix(stage, SOURCE).images) == (1, 0)
    assert stored(s3) == [b"cat", b"dog"]


def test_an_image_that_is_replaced_meanwhile_is_not_copied(
    s3: CopyingS3, stage: BatchStage
) -> None:
    images = scan_prefix(stage, SOURCE).images
    s3.objects["photos", "2026/a.jpg"] = b"dog"
    with pytest.raises(ToolError, match=r"s3://photos/2026/a\.jpg was replaced .* run the same "):
        store_inputs(stage, images)
    assert stored(s3) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("NoSuchBucket", r"there is no bucket photos; expected one that has images below 2026/\."),
        ("AccessDenied", r"your credentials may not list the bucket photos; expected s3:List"),
    ],
)
def test_a_bucket_that_cannot_be_listed_is_named_with_what_was_expected(
    code: str, said: str, monkeypatch: pytest.MonkeyPatch, s3: CopyingS3, stage: BatchStage
) -> None:
    def refuse(**_: Any) -> Any:
        raise error_of(code)

    monkeypatch.setattr(s3, "paginate", refuse)
    with pytest.raises(ToolError, match=rf"^SRC=s3://photos/2026: {said}"):
        scan_prefix(stage, SOURCE)


def test_another_refusal_keeps_its_words(
    monkeypatch: pytest.MonkeyPatch, s3: CopyingS3, stage: BatchStage
) -> None:
    def refuse(**_: Any) -> Any:
        raise error_of("SlowDown")

    monkeypatch.setattr(s3, "paginate", refuse)
    with pytest.raises(ClientError, match="SlowDown"):
        scan_prefix(stage, SOURCE)
