"""Description and problems of the serving image; ECR is botocore's stub."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from stacks.settings.serving import ServingSettings
from stacks.settings.stage import load_stage_settings
from tests.changed_settings import with_changes
from tools.cdk import ROOT
from tools.deployment.serving_image import describe_image, image_problem

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
DIGEST = "sha256:" + "0a" * 32
OWN = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/team/whippet"
OTHERS = f"{OTHER_ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/team/whippet"


def serving(**changes: Any) -> ServingSettings:
    return with_changes(load_stage_settings("dev", ROOT / "config").serving, **changes)


@contextmanager
def registry() -> Iterator[tuple[Any, Stubber]]:
    """Yield a session with a stub of ECR."""
    client = boto3.client(
        "ecr", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )

    class Session:
        def client(self, service: str, region_name: str) -> Any:
            assert (service, region_name) == ("ecr", "eu-west-1")
            return client

    with Stubber(client) as stub:
        yield Session(), stub
        stub.assert_no_pending_responses()


def problem(session: Any, uri: str) -> str | None:
    return image_problem(serving(image_uri=uri), session, account=ACCOUNT, region="eu-west-1")


@pytest.mark.parametrize(
    ("uri", "identifier"),
    [
        (f"{OWN}:1.4.0", {"imageTag": "1.4.0"}),
        (f"{OWN}@{DIGEST}", {"imageDigest": DIGEST}),
    ],
)
def test_an_image_that_is_there(uri: str, identifier: dict[str, str]) -> None:
    expected = {
        "registryId": ACCOUNT,
        "repositoryName": "team/whippet",
        "imageIds": [identifier],
    }
    with registry() as (session, stub):
        stub.add_response("describe_images", {"imageDetails": [{}]}, expected)
        assert problem(session, uri) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ImageNotFoundException", "eu-west-1 has no such image"),
        ("RepositoryNotFoundException", "eu-west-1 does not exist"),
    ],
)
@pytest.mark.parametrize(("uri", "owner"), [(OWN, ACCOUNT), (OTHERS, OTHER_ACCOUNT)])
def test_an_image_that_is_not_there(uri: str, owner: str, code: str, expected: str) -> None:
    with registry() as (session, stub):
        stub.add_client_error("describe_images", code)
        found = problem(session, f"{uri}:1")
    assert found is not None
    assert f"The repository team/whippet of the account {owner} in {expected}" in found
    assert f"serving.image_uri = {uri}:1" in found
    assert "Push the image, or remove the setting" in found


def test_credentials_that_may_not_describe_the_image() -> None:
    with registry() as (session, stub):
        stub.add_client_error("describe_images", "AccessDeniedException")
        found = problem(session, f"{OWN}:1")
    assert found is not None
    assert "allow them ecr:DescribeImages on the repository team/whippet" in found


def test_anothers_image_need_not_be_shown_to_us() -> None:
    with registry() as (session, stub):
        stub.add_client_error("describe_images", "AccessDeniedException")
        assert problem(session, f"{OTHERS}:1") is None


def test_other_errors_from_ecr_are_not_hidden() -> None:
    with registry() as (session, stub):
        stub.add_client_error("describe_images", "ServerException")
        with pytest.raises(ClientError, match="ServerException"):
            problem(session, f"{OWN}:1")


def test_an_image_of_another_region_is_not_even_looked_for() -> None:
    with registry() as (session, _):
        found = problem(session, f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/whippet:1")
    assert found is not None
    assert "is in us-east-1 and the stage in eu-west-1" in found
    assert "to a repository in eu-west-1" in found


def test_the_image_to_be_built_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_DOCKER", "finch")
    text = describe_image(serving(), account=ACCOUNT)
    assert text.startswith("an image for CPU types that finch builds from model_code/")
    text = describe_image(serving(instance_type="ml.g5.xlarge"), account=ACCOUNT)
    assert text.startswith("an image for GPU types that finch builds")


def test_a_prebuilt_image_is_named() -> None:
    text = describe_image(serving(image_uri=f"{OWN}:1"), account=ACCOUNT)
    assert text == f"the prebuilt image {OWN}:1 on a CPU type"


def test_an_image_of_another_account_is_described_with_its_owner() -> None:
    text = describe_image(serving(image_uri=f"{OTHERS}:1"), account=ACCOUNT)
    assert f"It belongs to the account {OTHER_ACCOUNT}" in text
    assert f"must let {ACCOUNT} pull it" in text
    assert "ecr:BatchGetImage" in text
