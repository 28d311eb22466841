import pytest

from stacks.settings.ecr_image import EcrImage, parse_image_uri

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
DIGEST = "sha256:" + "0a" * 32


def test_a_tag() -> None:
    assert parse_image_uri(f"{REGISTRY}/team/whippet:1.4.0") == EcrImage(
        account="123456789012",
        region="eu-central-1",
        repository="team/whippet",
        tag="1.4.0",
        digest=None,
    )


def test_a_digest() -> None:
    image = parse_image_uri(f"{REGISTRY}/whippet@{DIGEST}")
    assert (image.tag, image.digest) == (None, DIGEST)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [("", True), (":latest", True), (":1", False), (":latest-1", False), (f"@{DIGEST}", False)],
)
def test_an_address_without_a_fixed_image_may_change(suffix: str, expected: bool) -> None:
    assert parse_image_uri(f"{REGISTRY}/whippet{suffix}").may_change is expected


def test_anything_else_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an image in ECR"):
        parse_image_uri("docker.io/library/python:3.13")
