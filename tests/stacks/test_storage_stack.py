import re

import pytest

from tests.stacks.assembly import Assembly, Json, Resource, flatten, statements_of, walk

DATA_BUCKETS = ("Datasets", "Models", "Captures")


def bucket(assembly: Assembly, name: str) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("storage", "AWS::S3::Bucket")
        if each.logical_id.startswith(f"Buckets{name}")
    )
    return found


def key_statement(assembly: Assembly, service: str) -> Json:
    """Return the statement of the key's policy for a service."""
    key = assembly.resource("storage", "AWS::KMS::Key")
    (found,) = (
        statement
        for statement in statements_of(key)
        if service in _services(statement["Principal"].get("Service", []))
    )
    return found


def _services(value: object) -> list[str]:
    return [flatten(each) for each in (value if isinstance(value, list) else [value])]


def test_the_key_rotates(assembly: Assembly) -> None:
    key = assembly.resource("storage", "AWS::KMS::Key")
    assert key.properties["EnableKeyRotation"] is True


def test_a_deleted_key_can_be_restored_for_as_long_as_its_stage_deserves(
    assembly: Assembly,
) -> None:
    # What a retained key has encrypted is lost with it; 30 days are the most that KMS waits.
    expected = 30 if assembly.settings.retain_stateful_resources else 7
    key = assembly.resource("storage", "AWS::KMS::Key")
    assert key.properties["PendingWindowInDays"] == expected


@pytest.mark.parametrize(
    "service", ["cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com"]
)
def test_services_that_publish_alarms_may_use_the_key(assembly: Assembly, service: str) -> None:
    # Without it CloudWatch drops an alarm's message to an encrypted topic silently.
    statement = key_statement(assembly, service)
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}


def test_cloudwatch_logs_of_the_region_may_use_the_key(assembly: Assembly) -> None:
    statement = key_statement(assembly, "logs.<AWS::Region>.amazonaws.com")
    assert set(statement["Action"]) == {
        "kms:Encrypt*",
        "kms:Decrypt*",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:Describe*",
    }


def test_every_service_is_bound_to_this_account(assembly: Assembly) -> None:
    statements = statements_of(assembly.resource("storage", "AWS::KMS::Key"))
    conditions = [each["Condition"] for each in statements if "Service" in each["Principal"]]
    assert conditions[0] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    # CloudWatch Logs sends the log group's ARN instead.
    (arn,) = conditions[1]["ArnLike"].values()
    assert conditions[1]["ArnLike"].keys() == {"kms:EncryptionContext:aws:logs:arn"}
    assert {"Ref": "AWS::AccountId"} in arn["Fn::Join"][1]
    assert arn["Fn::Join"][1][-1] == ":log-group:*"
    assert len(conditions) == 2


def test_the_keys_policy_refers_to_no_later_stack(assembly: Assembly) -> None:
    key = assembly.resource("storage", "AWS::KMS::Key")
    assert not [each for each in walk(key.body) if isinstance(each, dict) and "Fn::GetAtt" in each]
    assert "Fn::GetStackOutput" not in str(assembly.template("storage"))


def test_there_are_four_private_buckets_without_names(assembly: Assembly) -> None:
    buckets = assembly.resources("storage", "AWS::S3::Bucket")
    assert len(buckets) == 4
    for each in buckets:
        assert "BucketName" not in each.properties
        assert set(each.properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert each.properties["OwnershipControls"]["Rules"] == [
            {"ObjectOwnership": "BucketOwnerEnforced"}
        ]
        rules = each.properties["LifecycleConfiguration"]["Rules"]
        assert all(rule["Status"] == "Enabled" for rule in rules)
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def test_every_bucket_refuses_plain_http_and_old_tls(assembly: Assembly) -> None:
    policies = assembly.resources("storage", "AWS::S3::BucketPolicy")
    assert len(policies) == 4
    for policy in policies:
        denials = [each for each in statements_of(policy) if each["Effect"] == "Deny"]
        conditions = [each["Condition"] for each in denials]
        assert {"Bool": {"aws:SecureTransport": "false"}} in conditions
        assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in conditions


@pytest.mark.parametrize("name", DATA_BUCKETS)
def test_data_is_encrypted_with_the_key_and_access_is_logged(assembly: Assembly, name: str) -> None:
    properties = bucket(assembly, name).properties
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    key = assembly.resource("storage", "AWS::KMS::Key")
    assert flatten(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]) == (
        f"<{key.logical_id}.Arn>"
    )
    logs = bucket(assembly, "AccessLogs").logical_id
    assert properties["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": logs}


def test_the_access_log_bucket_has_its_own_encryption(assembly: Assembly) -> None:
    # S3 cannot deliver access logs to a bucket with a KMS key.
    encryption = bucket(assembly, "AccessLogs").properties["BucketEncryption"]
    (rule,) = encryption["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@pytest.mark.parametrize("name", ["Datasets", "Models"])
def test_what_users_replace_is_versioned_and_old_versions_expire(
    assembly: Assembly, name: str
) -> None:
    properties = bucket(assembly, name).properties
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    rule, *others = properties["LifecycleConfiguration"]["Rules"]
    storage = assembly.settings.storage
    expected = storage.noncurrent_version_retention_days
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": expected}
    assert rule.keys().isdisjoint({"ExpirationInDays", "Prefix"})
    # What a lock names, below serving/, never expires.
    expiring = ["training/", "checkpoints/", "candidates/"] if name == "Models" else []
    assert [each["Prefix"] for each in others] == expiring
    assert [each["NoncurrentVersionExpiration"]["NoncurrentDays"] for each in others] == (
        [1, 1, 7] if expiring else []
    )
    days = {each["ExpirationInDays"] for each in others}
    assert days <= {storage.candidate_retention_days}


def test_objects_that_nothing_deletes_expire(assembly: Assembly) -> None:
    settings = assembly.settings
    expected = {
        "Captures": {
            "endpoint/": settings.storage.capture_retention_days,
            "batch/": settings.batch.retention_days,
        },
        "AccessLogs": {None: settings.storage.access_log_retention_days},
    }
    for name, days in expected.items():
        rules = bucket(assembly, name).properties["LifecycleConfiguration"]["Rules"]
        assert {each.get("Prefix"): each["ExpirationInDays"] for each in rules} == days


def test_a_policy_of_a_bucket_stays_while_a_role_of_a_later_stack_may_have_it(
    assembly: Assembly,
) -> None:
    # This stack is updated first; IAM refuses to delete a policy that is still attached.
    policies = assembly.resources("storage", "AWS::IAM::ManagedPolicy")
    writing = [each for each in policies if "WriteCaptures" in each.logical_id]
    assert len(policies) == 10
    assert len(writing) == 1
    assert assembly.settings.serving.data_capture_percent == 0


@pytest.mark.parametrize(
    ("name", "objects"),
    [
        ("WriteModels", "Models.*/training/"),
        ("WriteCandidates", "Models.*/candidates/"),
        ("WriteCaptures", "Captures.*/endpoint/"),
        ("WriteBatch", "Captures.*/batch/outputs/"),
    ],
)
def test_who_writes_a_bucket_may_use_its_key_for_a_multipart_upload_too(
    assembly: Assembly, name: str, objects: str
) -> None:
    (policy,) = (
        each
        for each in assembly.resources("storage", "AWS::IAM::ManagedPolicy")
        if name in each.logical_id
    )
    writing, encrypting = statements_of(policy)
    assert writing["Action"] == ["s3:PutObject"]
    (resource,) = writing["Resource"]
    assert re.fullmatch(rf"<Buckets{objects}\*", flatten(resource))
    # Decrypt: S3 reads the parts of a multipart upload, which large archives are, to join them.
    assert set(encrypting["Action"]) == {"kms:GenerateDataKey", "kms:Decrypt"}
    key = assembly.resource("storage", "AWS::KMS::Key")
    assert [flatten(each) for each in encrypting["Resource"]] == [f"<{key.logical_id}.Arn>"]


def test_the_registry_is_named_after_the_stage(assembly: Assembly) -> None:
    group = assembly.resource("storage", "AWS::SageMaker::ModelPackageGroup")
    assert group.properties["ModelPackageGroupName"] == assembly.settings.name


def test_state_is_kept_in_prod_and_goes_elsewhere(assembly: Assembly) -> None:
    prod = assembly.settings.stage == "prod"
    stateful = [
        *assembly.resources("storage", "AWS::KMS::Key"),
        *assembly.resources("storage", "AWS::S3::Bucket"),
        *assembly.resources("storage", "AWS::SageMaker::ModelPackageGroup"),
    ]
    assert len(stateful) == 6
    for resource in stateful:
        assert resource.body["DeletionPolicy"] == ("RetainExceptOnCreate" if prod else "Delete")
        assert resource.body["UpdateReplacePolicy"] == ("Retain" if prod else "Delete")


def test_the_deletion_of_a_retained_key_can_be_cancelled_for_longer(assembly: Assembly) -> None:
    key = assembly.resource("storage", "AWS::KMS::Key")
    expected = 30 if assembly.settings.retain_stateful_resources else 7
    assert key.properties["PendingWindowInDays"] == expected
