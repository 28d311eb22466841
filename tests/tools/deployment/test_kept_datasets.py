"""`make destroy KEEP=datasets` and what takes them back; tests/local does both for real."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from stacks.settings.stage import StageSettings, load_stage_settings
from tests.changed_settings import with_changes
from tests.tools.stubbed_session import stubbed_client
from tools.cdk import ROOT
from tools.console import ToolError
from tools.deployment.kept_datasets import Kept, is_marked, keep_datasets
from tools.deployment.take_back_datasets import take_back_datasets

STACK = "whippet-dev-storage"
PARAMETER = "/whippet/dev/kept-datasets"
BUCKET = Kept(logical_id="BucketsDatasets1A", type="AWS::S3::Bucket", physical_id="the-datasets")
POLICY = Kept(logical_id="BucketsDatasetsPolicy2B", type="AWS::S3::BucketPolicy", physical_id="p")
KEY = Kept(logical_id="EncryptionKey3C", type="AWS::KMS::Key", physical_id="the-key")
TLS_ONLY = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}]}
Stubs = dict[str, Stubber]


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    with ExitStack() as stack:
        services = ("cloudformation", "ssm", "s3", "kms")
        yield {each: stack.enter_context(Stubber(stubbed_client(each))) for each in services}


@pytest.fixture
def dev() -> StageSettings:
    return load_stage_settings("dev", ROOT / "config")


def template(*, key: bool, marked: bool = False) -> dict[str, Any]:
    """Return a storage stack's template with two buckets, one of them that of the datasets."""
    mark = {"Metadata": {"Whippet": "kept by make destroy KEEP=datasets"}} if marked else {}
    resources: dict[str, Any] = {
        BUCKET.logical_id: {"Type": BUCKET.type, "DeletionPolicy": "Delete", **mark},
        POLICY.logical_id: {
            "Type": POLICY.type,
            "Properties": {"Bucket": {"Ref": BUCKET.logical_id}},
            **mark,
        },
        "BucketsModels4D": {"Type": BUCKET.type, "DeletionPolicy": "Delete"},
        "BucketsModelsPolicy5E": {
            "Type": POLICY.type,
            "Properties": {"Bucket": {"Ref": "BucketsModels4D"}},
        },
    }
    if key:
        resources[KEY.logical_id] = {"Type": KEY.type, "Metadata": {"other": 1}} | mark
    return {"Resources": resources, "Parameters": {"BootstrapVersion": {}}}


def add_stack(stubs: Stubs, body: dict[str, Any]) -> None:
    described = {
        "StackName": STACK,
        "CreationTime": 0,
        "StackStatus": "UPDATE_COMPLETE",
        "Parameters": [{"ParameterKey": "BootstrapVersion", "ParameterValue": "v"}],
    }
    cloudformation = stubs["cloudformation"]
    cloudformation.add_response("describe_stacks", {"Stacks": [described]}, {"StackName": STACK})
    cloudformation.add_response(
        "get_template",
        {"TemplateBody": json.dumps(body)},
        {"StackName": STACK, "TemplateStage": "Original"},
    )


def add_resource(stubs: Stubs, kept: Kept, physical_id: str | None = None) -> None:
    detail = {
        "LogicalResourceId": kept.logical_id,
        "ResourceType": kept.type,
        "PhysicalResourceId": physical_id or kept.physical_id,
        "LastUpdatedTimestamp": 0,
        "ResourceStatus": "CREATE_COMPLETE",
    }
    stubs["cloudformation"].add_response(
        "describe_stack_resource",
        {"StackResourceDetail": detail},
        {"StackName": STACK, "LogicalResourceId": kept.logical_id},
    )


def add_record(stubs: Stubs, *kept: Kept) -> None:
    stubs["ssm"].add_response(
        "get_parameter",
        {"Parameter": {"Name": PARAMETER, "Value": json.dumps([vars(each) for each in kept])}},
        {"Name": PARAMETER},
    )


def add_recording(stubs: Stubs, *kept: Kept) -> None:
    value = json.dumps([vars(each) for each in kept])
    stubs["ssm"].add_response(
        "put_parameter",
        {},
        {"Name": PARAMETER, "Type": "String", "Value": value, "Overwrite": True},
    )
    stubs["s3"].add_response(
        "put_bucket_logging", {}, {"Bucket": BUCKET.physical_id, "BucketLoggingStatus": {}}
    )


def check(stubs: Stubs) -> None:
    for stub in stubs.values():
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("key", [True, False])
def test_bucket_policy_and_key_are_retained_and_nothing_else(stubs: Stubs, key: bool) -> None:
    add_stack(stubs, template(key=key))
    expected = template(key=key)
    kept = [BUCKET, POLICY, *([KEY] if key else [])]
    add_resource(stubs, BUCKET)
    stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
    for each in kept:
        resource = expected["Resources"][each.logical_id]
        resource |= {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
        resource["Metadata"] = resource.get("Metadata", {}) | {
            "Whippet": "kept by make destroy KEEP=datasets"
        }
    stubs["cloudformation"].add_response(
        "update_stack",
        {},
        {
            "StackName": STACK,
            "Parameters": [{"ParameterKey": "BootstrapVersion", "UsePreviousValue": True}],
            "Capabilities": ANY,
            "TemplateBody": json.dumps(expected, separators=(",", ":")),
        },
    )
    stubs["cloudformation"].add_response(
        "describe_stacks",
        {"Stacks": [{"StackName": STACK, "CreationTime": 0, "StackStatus": "UPDATE_COMPLETE"}]},
    )
    for each in kept:
        add_resource(stubs, each)
    add_recording(stubs, *kept)
    assert keep_datasets(stubbed_client, "whippet-dev") == kept
    check(stubs)


def test_a_second_run_does_not_update_the_stack_again(stubs: Stubs) -> None:
    add_stack(stubs, template(key=True, marked=True))
    add_resource(stubs, BUCKET)
    add_record(stubs, BUCKET, POLICY, KEY)
    for each in (BUCKET, POLICY, KEY):
        add_resource(stubs, each)
    add_recording(stubs, BUCKET, POLICY, KEY)
    keep_datasets(stubbed_client, "whippet-dev")
    check(stubs)


EARLIER = Kept(logical_id="BucketsDatasets1A", type="AWS::S3::Bucket", physical_id="earlier-ones")


@pytest.mark.parametrize("key", [True, False])
def test_datasets_that_were_kept_before_are_not_forgotten(stubs: Stubs, key: bool) -> None:
    add_stack(stubs, template(key=True))
    add_resource(stubs, BUCKET)
    add_record(stubs, EARLIER, *([KEY] if key else []))
    stubs["s3"].add_response("head_bucket", {}, {"Bucket": "earlier-ones"})
    with pytest.raises(ToolError) as told:
        keep_datasets(stubbed_client, "whippet-dev")
    text = str(told.value)
    assert text.startswith("Nothing was deleted: KEEP=datasets has kept the bucket earlier-ones")
    assert "aws s3 sync s3://earlier-ones s3://the-datasets" in text
    assert "-m tools.deployment.delete_bucket earlier-ones --region eu-west-1" in text
    assert ("schedule-key-deletion --key-id the-key" in text) is key
    check(stubs)  # neither the stack nor the record was changed


def test_a_record_of_a_bucket_that_was_deleted_is_replaced(stubs: Stubs) -> None:
    add_stack(stubs, template(key=False, marked=True))
    add_resource(stubs, BUCKET)
    add_record(stubs, EARLIER)
    stubs["s3"].add_client_error("head_bucket", "404", http_status_code=404)
    for each in (BUCKET, POLICY):
        add_resource(stubs, each)
    add_recording(stubs, BUCKET, POLICY)
    assert keep_datasets(stubbed_client, "whippet-dev") == [BUCKET, POLICY]
    check(stubs)


def add_missing_stack(stubs: Stubs) -> None:
    stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", f"Stack with id {STACK} does not exist"
    )


def test_a_run_that_deleted_the_stack_and_then_failed_goes_on(stubs: Stubs) -> None:
    add_missing_stack(stubs)
    add_record(stubs, BUCKET, POLICY)
    assert keep_datasets(stubbed_client, "whippet-dev") == [BUCKET, POLICY]


def test_a_stage_that_is_not_deployed_has_no_datasets_to_keep(stubs: Stubs) -> None:
    add_missing_stack(stubs)
    stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
    with pytest.raises(ToolError, match=r"There is no stack whippet-dev-storage: nothing was "):
        keep_datasets(stubbed_client, "whippet-dev")


def test_a_stack_without_the_bucket_is_not_touched(stubs: Stubs) -> None:
    body = template(key=True)
    del body["Resources"][BUCKET.logical_id]
    add_stack(stubs, body)
    with pytest.raises(ToolError, match="no bucket of datasets: nothing was deleted"):
        keep_datasets(stubbed_client, "whippet-dev")


def test_the_mark_is_told_from_other_metadata() -> None:
    resources = template(key=True, marked=True)["Resources"]
    assert is_marked(resources[BUCKET.logical_id])
    assert not is_marked(resources["BucketsModels4D"])
    assert not is_marked({"Metadata": {"Whippet": "something else"}})


def test_nothing_is_taken_back_where_nothing_was_kept(stubs: Stubs, dev: StageSettings) -> None:
    stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")
    assert take_back_datasets(stubbed_client, dev) is None


def add_no_storage(stubs: Stubs) -> None:
    stubs["cloudformation"].add_client_error(
        "describe_stack_resource", "ValidationError", f"Stack '{STACK}' does not exist"
    )


def test_all_that_was_kept_is_imported_at_once(stubs: Stubs, dev: StageSettings) -> None:
    add_record(stubs, BUCKET, POLICY, KEY)
    stubs["s3"].add_response("head_bucket", {}, {"Bucket": BUCKET.physical_id})
    add_no_storage(stubs)
    stubs["kms"].add_response(
        "describe_key", {"KeyMetadata": {"KeyId": "the-key", "KeyState": "Enabled"}}
    )
    stubs["s3"].add_response("get_bucket_policy", {"Policy": json.dumps(TLS_ONLY)})
    cloudformation = stubs["cloudformation"]
    add_missing_stack(stubs)
    cloudformation.add_client_error("delete_change_set", "ChangeSetNotFound")
    retained = "RetainExceptOnCreate"
    resources = {
        BUCKET.logical_id: {"Type": BUCKET.type, "DeletionPolicy": retained, "Properties": {}},
        POLICY.logical_id: {
            "Type": POLICY.type,
            "DeletionPolicy": retained,
            "Properties": {
                "Bucket": {"Ref": BUCKET.logical_id},
                "PolicyDocument": TLS_ONLY,
            },
        },
        # Without a key policy: the deployment sets it.
        KEY.logical_id: {"Type": KEY.type, "DeletionPolicy": retained, "Properties": {}},
    }
    identifiers = [{"BucketName": "the-datasets"}, {"Bucket": "the-datasets"}, {"KeyId": "the-key"}]
    cloudformation.add_response(
        "create_change_set",
        {"Id": "change-set"},
        {
            "StackName": STACK,
            "ChangeSetName": ANY,
            "ChangeSetType": "IMPORT",
            "TemplateBody": json.dumps({"Resources": resources}, separators=(",", ":")),
            "Parameters": [],
            "Capabilities": ANY,
            "ResourcesToImport": [
                {
                    "ResourceType": each.type,
                    "LogicalResourceId": each.logical_id,
                    "ResourceIdentifier": identifier,
                }
                for each, identifier in zip((BUCKET, POLICY, KEY), identifiers, strict=True)
            ],
        },
    )
    cloudformation.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    cloudformation.add_response("execute_change_set", {})
    cloudformation.add_response(
        "describe_stacks",
        {"Stacks": [{"StackName": STACK, "CreationTime": 0, "StackStatus": "IMPORT_COMPLETE"}]},
    )
    stubs["ssm"].add_response("delete_parameter", {}, {"Name": PARAMETER})
    said = take_back_datasets(stubbed_client, dev)
    assert said == "Took back the datasets that were kept: the bucket the-datasets."
    check(stubs)


def test_what_could_not_be_imported_stays_on_record(stubs: Stubs, dev: StageSettings) -> None:
    """The name of the bucket stands nowhere else, and the next deployment tries again."""
    add_record(stubs, BUCKET)
    stubs["s3"].add_response("head_bucket", {})
    add_no_storage(stubs)
    add_missing_stack(stubs)
    stubs["cloudformation"].add_client_error("delete_change_set", "ChangeSetNotFound")
    stubs["cloudformation"].add_client_error("create_change_set", "ValidationError", "refused")
    with pytest.raises(ToolError, match="refused"):
        take_back_datasets(stubbed_client, dev)
    check(stubs)


def test_a_key_in_deletion_is_told_before_anything_is_imported(
    stubs: Stubs, dev: StageSettings
) -> None:
    add_record(stubs, BUCKET, POLICY, KEY)
    stubs["s3"].add_response("head_bucket", {})
    add_no_storage(stubs)
    stubs["kms"].add_response(
        "describe_key", {"KeyMetadata": {"KeyId": "the-key", "KeyState": "PendingDeletion"}}
    )
    with pytest.raises(ToolError, match=r"is PendingDeletion.*aws kms cancel-key-deletion"):
        take_back_datasets(stubbed_client, dev)


def test_datasets_whose_key_is_gone_are_to_be_deleted(stubs: Stubs, dev: StageSettings) -> None:
    add_record(stubs, BUCKET, POLICY, KEY)
    stubs["s3"].add_response("head_bucket", {})
    add_no_storage(stubs)
    stubs["kms"].add_client_error("describe_key", "NotFoundException")
    with pytest.raises(
        ToolError,
        match=r"the-key .* no longer exists.* -m tools\.deployment\.delete_bucket the-data",
    ):
        take_back_datasets(stubbed_client, dev)


def test_datasets_with_a_key_are_not_taken_into_a_stage_without_one(
    stubs: Stubs, dev: StageSettings
) -> None:
    add_record(stubs, BUCKET, POLICY, KEY)
    stubs["s3"].add_response("head_bucket", {})
    add_no_storage(stubs)
    with pytest.raises(ToolError, match=r'set encryption = "kms"'):
        take_back_datasets(stubbed_client, with_changes(dev, encryption="aws"))


def test_a_bucket_that_was_deleted_since_is_said_and_forgotten(
    stubs: Stubs, dev: StageSettings
) -> None:
    add_record(stubs, BUCKET, POLICY)
    stubs["s3"].add_client_error("head_bucket", "404", http_status_code=404)
    stubs["ssm"].add_response("delete_parameter", {}, {"Name": PARAMETER})
    said = take_back_datasets(stubbed_client, dev)
    assert said == "The datasets that were kept are gone: the bucket the-datasets was deleted."
    check(stubs)


@pytest.mark.parametrize("same", [True, False])
def test_a_stage_that_has_a_bucket_again_keeps_it(
    stubs: Stubs, dev: StageSettings, same: bool
) -> None:
    """After an interrupted run it is the one that was kept."""
    add_record(stubs, BUCKET, POLICY)
    stubs["s3"].add_response("head_bucket", {})
    for _ in range(2):
        add_resource(stubs, BUCKET, None if same else "another-bucket")
    if same:
        stubs["ssm"].add_response("delete_parameter", {}, {"Name": PARAMETER})
    said = take_back_datasets(stubbed_client, dev)
    if same:
        assert said is None
    else:
        assert said is not None
        assert "aws s3 sync s3://the-datasets " in said
    check(stubs)
