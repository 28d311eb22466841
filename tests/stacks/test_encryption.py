"""A stage with `encryption = "aws"` has no key of its own, and no trace of one."""

import json
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import PURPOSES, Assembly, flatten, statements_of, walk
from tests.stacks.conftest import Synthesize
from tests.stacks.test_cfn_lint import in_repository, lint  # noqa: F401 - the first is a fixture
from tests.stacks.test_nag import variants

READER = "arn:aws:iam::210987654321:role/whippet-prod-copy-model"


@pytest.fixture(scope="module")
def everything() -> StageSettings:
    """All that a stage can have, without a key of the bootstrap's bucket."""
    settings = with_changes(variants()["everything"], asset_key_arn=None)
    return with_changes(settings, storage=with_changes(settings.storage, model_readers=(READER,)))


@pytest.fixture
def assembly(everything: StageSettings, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(with_changes(everything, encryption="aws"))


def traces_of_a_key(template: dict[str, Any]) -> set[str]:
    """Return the texts and names in a template that have anything to do with KMS."""
    names = {key for value in walk(template) if isinstance(value, dict) for key in value}
    texts = {value for value in walk(template) if isinstance(value, str)}
    return {each for each in names | texts if "kms" in each.lower() or "EncryptionKey" in each}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_resource_refers_to_a_key(assembly: Assembly, purpose: str) -> None:
    assert traces_of_a_key(assembly.template(purpose)) == set()


@pytest.mark.parametrize("purpose", set(PURPOSES) - {"web"})
def test_the_same_stage_with_a_key_refers_to_it_in_each_stack(
    everything: StageSettings, synthesize_with: Synthesize, purpose: str
) -> None:
    assert traces_of_a_key(synthesize_with(everything).template(purpose))


def test_nothing_else_differs(
    assembly: Assembly, everything: StageSettings, synthesize_with: Synthesize
) -> None:
    with_key = synthesize_with(everything)
    for purpose in PURPOSES:
        kinds = [
            sorted(each["Type"] for each in template["Resources"].values())
            for template in (assembly.template(purpose), with_key.template(purpose))
        ]
        kinds[1] = [kind for kind in kinds[1] if kind != "AWS::KMS::Key"]
        assert kinds[0] == kinds[1]


def test_every_bucket_is_encrypted_by_s3(assembly: Assembly) -> None:
    buckets = assembly.everywhere("AWS::S3::Bucket")
    assert len(buckets) == 7
    for bucket in buckets:
        (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_another_stage_reads_models_without_a_key(assembly: Assembly) -> None:
    policies = assembly.resources("storage", "AWS::S3::BucketPolicy")
    allowed = [
        statement
        for policy in policies
        for statement in statements_of(policy)
        if statement["Effect"] == "Allow"
        and "role/whippet-prod-copy-model" in json.dumps(statement)
    ]
    assert [each["Action"] for each in allowed] == [["s3:GetObject"]]
    assert flatten(allowed[0]["Resource"][0]).endswith("/serving/*")


@pytest.mark.usefixtures("in_repository")
def test_every_template_is_clean(everything: StageSettings, synthesize_with: Synthesize) -> None:
    # The firewall has nothing that is encrypted.
    api = with_changes(everything.api, firewall_enabled=False)
    assembly = synthesize_with(with_changes(everything, encryption="aws", api=api))
    assert lint(sorted(assembly.directory.glob("*.template.json"))) == {}
