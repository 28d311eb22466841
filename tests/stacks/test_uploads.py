"""The templates of a stage with uploads, and of one without."""

import json
import runpy
from typing import Any

import pytest

from classifier_proxy.endpoint.invoke import CONNECT_TIMEOUT_SECONDS
from classifier_proxy.image_checks import MAX_PIXELS
from classifier_proxy.settings import load_settings
from classifier_proxy.uploads.bucket import DELETE_SECONDS, READ_SECONDS
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    REPOSITORY,
    Assembly,
    Json,
    Resource,
    flatten,
    statements_for_role,
    statements_of,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.functions import health_function, proxy_function
from tests.stacks.test_api_stack import method_settings, methods

ORIGIN = "https://d111111abcdef8.cloudfront.net"
OTHER_ORIGIN = "https://app.example.com"
BUCKET = "UploadsBucket"


@pytest.fixture
def with_uploads(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    return synthesize_with(changed(dev_settings, uploads_enabled=True, max_upload_mb=12))


@pytest.fixture
def of_pages(dev_settings: StageSettings, synthesize_with: Synthesize) -> Assembly:
    """Where a page and a page of another origin may upload."""
    settings = changed(dev_settings, uploads_enabled=True, cors_allowed_origin=OTHER_ORIGIN)
    return synthesize_with(with_changes(settings, web=with_changes(settings.web, origin=ORIGIN)))


def changed(settings: StageSettings, **api: Any) -> StageSettings:
    return with_changes(settings, api=with_changes(settings.api, **api))


def upload_bucket(assembly: Assembly) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("storage", "AWS::S3::Bucket")
        if each.logical_id.startswith(BUCKET)
    )
    return found


def role_statements(assembly: Assembly, function: Resource) -> list[Json]:
    return statements_for_role(assembly, "api", function.properties["Role"]["Fn::GetAtt"][0])


def test_a_stage_without_them_has_no_trace_of_them(assembly: Assembly) -> None:
    text = json.dumps(assembly.templates())
    for trace in ("UploadsBucket", "UPLOADS_", "uploads/", '"uploads"', "maxPixels"):
        assert trace not in text, trace
    assert "WHIPPET_MAX_BODY_BYTES" not in json.dumps(assembly.template("serving"))


def test_the_bucket_is_private_encrypted_and_empties_itself_in_a_day(
    with_uploads: Assembly,
) -> None:
    properties = upload_bucket(with_uploads).properties
    assert "BucketName" not in properties
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert encryption["BucketKeyEnabled"] is True
    assert "VersioningConfiguration" not in properties
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert rule == {
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        "ExpirationInDays": 1,
        "Status": "Enabled",
    }
    assert properties["LoggingConfiguration"]["LogFilePrefix"] == "uploads/"
    assert flatten(properties["LoggingConfiguration"]["DestinationBucketName"]).startswith(
        "<BucketsAccessLogs"
    )
    assert "CorsConfiguration" not in properties, "no page has a known origin"


def test_the_bucket_refuses_plain_http_and_old_tls(with_uploads: Assembly) -> None:
    name = upload_bucket(with_uploads).logical_id
    (policy,) = (
        each
        for each in with_uploads.resources("storage", "AWS::S3::BucketPolicy")
        if each.properties["Bucket"] == {"Ref": name}
    )
    denials = [each for each in statements_of(policy) if each["Effect"] == "Deny"]
    conditions = [each["Condition"] for each in denials]
    assert {"Bool": {"aws:SecureTransport": "false"}} in conditions
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in conditions


def test_only_pages_of_literal_origins_may_put(of_pages: Assembly) -> None:
    assert upload_bucket(of_pages).properties["CorsConfiguration"]["CorsRules"] == [
        {
            "AllowedHeaders": ["content-type"],
            "AllowedMethods": ["PUT"],
            "AllowedOrigins": [ORIGIN, OTHER_ORIGIN],
            "MaxAge": 3600,
        }
    ]


def test_the_page_may_connect_to_this_bucket_alone(of_pages: Assembly) -> None:
    policy = of_pages.resource("web", "AWS::CloudFront::ResponseHeadersPolicy").properties
    headers = policy["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    directives = flatten(headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]).split("; ")
    (connect,) = (each for each in directives if each.startswith("connect-src"))
    (output,) = (
        name
        for name, each in of_pages.template("storage")["Outputs"].items()
        if each["Value"]
        == {"Fn::GetAtt": [upload_bucket(of_pages).logical_id, "RegionalDomainName"]}
    )
    assert connect == f"connect-src 'self' https://<whippet-dev-storage:{output}>"


@pytest.mark.parametrize("origin", [ORIGIN, None])
def test_the_page_uploads_where_its_origin_is_known(
    dev_settings: StageSettings, synthesize_with: Synthesize, origin: str | None
) -> None:
    settings = changed(dev_settings, uploads_enabled=True, max_upload_mb=9)
    web = with_changes(settings.web, origin=origin)
    assembly = synthesize_with(with_changes(settings, web=web))
    config = json.loads(assembly.resource("web", "Custom::Page").properties["Config"])
    expected = {"maxBytes": 9_000_000, "maxPixels": MAX_PIXELS} if origin else None
    assert config.get("uploads") == expected
    policy = assembly.resource("web", "AWS::CloudFront::ResponseHeadersPolicy").properties
    assert ("https://" in json.dumps(policy)) is bool(origin)


def test_the_proxy_may_put_get_and_delete_uploads_and_nothing_else_of_s3(
    with_uploads: Assembly,
) -> None:
    statements = role_statements(with_uploads, proxy_function(with_uploads))
    (of_s3,) = (each for each in statements if "s3:" in json.dumps(each["Action"]))
    assert sorted(of_s3["Action"]) == ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    assert [flatten(each) for each in of_s3["Resource"]] == [
        "<whippet-dev-storage:UploadsBucketArn>/uploads/*"
    ]
    bucket = upload_bucket(with_uploads).logical_id
    outputs = with_uploads.template("storage")["Outputs"]
    assert outputs["UploadsBucketArn"]["Value"] == {"Fn::GetAtt": [bucket, "Arn"]}
    (of_kms,) = (each for each in statements if "kms:" in json.dumps(each["Action"]))
    assert sorted(of_kms["Action"]) == ["kms:Decrypt", "kms:GenerateDataKey"]
    health = role_statements(with_uploads, health_function(with_uploads))
    assert not any("s3:" in json.dumps(each) or "kms:" in json.dumps(each) for each in health)


def test_without_a_key_of_the_stage_the_proxy_needs_none(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    settings = with_changes(changed(dev_settings, uploads_enabled=True), encryption="aws")
    assembly = synthesize_with(settings)
    assert "kms:" not in json.dumps(role_statements(assembly, proxy_function(assembly)))
    properties = upload_bucket(assembly).properties
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_the_function_knows_its_bucket_and_the_largest_image(with_uploads: Assembly) -> None:
    variables = proxy_function(with_uploads).properties["Environment"]["Variables"]
    bucket = variables.pop("UPLOADS_BUCKET")
    outputs = with_uploads.template("storage")["Outputs"]
    output = outputs[bucket["Fn::GetStackOutput"]["OutputName"]]
    assert output["Value"] == {"Ref": upload_bucket(with_uploads).logical_id}
    settings = load_settings({**variables, "UPLOADS_BUCKET": "whippet-dev-uploads"})
    assert settings.uploads
    assert settings.uploads.max_bytes == 12_000_000
    assert settings.uploads.endpoint_url is None, "S3's own address"
    of_health = health_function(with_uploads).properties["Environment"]["Variables"]
    assert not any(name.startswith("UPLOADS") for name in of_health)


@pytest.mark.parametrize(("megabytes", "expected"), [(12, 12_000_000), (5, 10 * 1024 * 1024)])
def test_the_model_server_takes_what_may_be_uploaded(
    dev_settings: StageSettings, synthesize_with: Synthesize, megabytes: int, expected: int
) -> None:
    assembly = synthesize_with(changed(dev_settings, uploads_enabled=True, max_upload_mb=megabytes))
    model = assembly.resource("serving", "AWS::SageMaker::Model").properties
    environment = model["PrimaryContainer"]["Environment"]
    settings = REPOSITORY / "model_code/classifier/serving/settings.py"
    read = runpy.run_path(str(settings))["read_settings"](environment)
    assert read.max_body_bytes == expected


def test_the_method_has_the_key_the_throttle_and_the_function_of_predict(
    of_pages: Assembly,
) -> None:
    found = methods(of_pages)
    uploads, predict = found["POST /uploads"], found["POST /predict"]
    for name in ("ApiKeyRequired", "AuthorizationType", "Integration"):
        assert uploads[name] == predict[name], name
    assert uploads["ApiKeyRequired"] is True
    preflight = found["OPTIONS /uploads"]["Integration"]["IntegrationResponses"]
    assert preflight == found["OPTIONS /predict"]["Integration"]["IntegrationResponses"]
    # The settings of all methods, of which only that of the health has its own.
    assert method_settings(of_pages).keys() == {"* /*", "GET /health"}


def test_times_nest_with_an_upload_too(with_uploads: Assembly) -> None:
    longest = READ_SECONDS + CONNECT_TIMEOUT_SECONDS + 18 + DELETE_SECONDS
    assert longest < proxy_function(with_uploads).properties["Timeout"] - 1
