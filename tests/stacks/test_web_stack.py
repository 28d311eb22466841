"""The template of the page's stack, for everything that the local cloud cannot show."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from classifier_proxy.image_checks import MAX_IMAGE_BYTES
from stacks.components.web.not_found import not_found_code
from stacks.components.web.page_distribution import STRIP_API_PATH
from stacks.errors import InputError
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    Assembly,
    Json,
    Resource,
    allowed_actions,
    flatten,
    statements_for_role,
    statements_of,
    synthesize,
)
from tests.stacks.conftest import Synthesize
from tests.stacks.fake_inputs import write_page

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-68738e2966ac"


def configuration(assembly: Assembly) -> Json:
    found = assembly.resource("web", "AWS::CloudFront::Distribution")
    settings: Json = found.properties["DistributionConfig"]
    return settings


def api_behavior(assembly: Assembly) -> Json:
    (behavior,) = configuration(assembly)["CacheBehaviors"]
    return dict(behavior)


def origin(assembly: Assembly, behavior: Json) -> Json:
    (found,) = (
        each
        for each in configuration(assembly)["Origins"]
        if each["Id"] == behavior["TargetOriginId"]
    )
    return dict(found)


def part(value: Json) -> str:
    """Return the part of an address that Fn::Select takes from Fn::Split."""
    index, split = value["Fn::Select"]
    separator, address = split["Fn::Split"]
    return flatten(address).split(str(separator))[int(index)]


def bucket(assembly: Assembly, name: str) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("web", "AWS::S3::Bucket")
        if each.logical_id.startswith(name)
    )
    return found


def function(assembly: Assembly, name: str) -> Resource:
    (found,) = (
        each
        for each in assembly.resources("web", "AWS::CloudFront::Function")
        if name in each.logical_id
    )
    return found


def page_files(assembly: Assembly) -> Path:
    """Return the folder of the asset that the publisher copies."""
    prefix, _, archive = content(assembly)["AssetKey"].rpartition("/")
    assert prefix == f"{assembly.settings.name}/web"
    return assembly.directory / f"asset.{archive.removesuffix('.zip')}"


def content(assembly: Assembly) -> Json:
    return assembly.resource("web", "Custom::Page").properties


def test_the_api_lies_under_the_pages_own_origin(assembly: Assembly) -> None:
    behavior = api_behavior(assembly)
    assert behavior["PathPattern"] == "/api/*"
    target = origin(assembly, behavior)
    host, stage = part(target["DomainName"]), part(target["OriginPath"]["Fn::Join"][1][1])
    assert re.fullmatch(r"<.*-api:.*>\.execute-api\.<AWS::Region>\.<AWS::URLSuffix>", host)
    assert re.fullmatch(r"<.*-api:.*Stagev1.*>", stage), "put before the path by CloudFront"
    assert target["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert target["CustomOriginConfig"]["OriginSSLProtocols"] == ["TLSv1.2"]
    assert target["CustomOriginConfig"]["OriginReadTimeout"] == 30, "above the API's own 29 s"


def test_the_api_is_never_cached_and_gets_all_but_the_host(assembly: Assembly) -> None:
    behavior = api_behavior(assembly)
    assert set(behavior["AllowedMethods"]) == {
        "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE",
    }  # fmt: skip
    assert behavior["CachePolicyId"] == CACHING_DISABLED
    assert behavior["OriginRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_HEADER
    assert behavior["ViewerProtocolPolicy"] == "https-only"


def test_a_function_takes_api_off_the_path(assembly: Assembly) -> None:
    strip = function(assembly, "StripApiPath")
    assert strip.properties["AutoPublish"] is True
    assert strip.properties["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0"
    assert strip.properties["FunctionCode"] == STRIP_API_PATH
    (association,) = api_behavior(assembly)["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"
    assert association["FunctionARN"]["Fn::GetAtt"][0] == strip.logical_id


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/predict", "/predict"),
        ("/api/api/predict", "/api/predict"),
        ("/api/", "/"),
        ("/apis/predict", "/apis/predict"),
    ],
)
def test_the_function_itself(path: str, expected: str) -> None:
    (request,) = run(STRIP_API_PATH, path)
    assert request["uri"] == expected


def run(code: str, *paths: str) -> list[Json]:
    """Return what a function returns for each path."""
    node = shutil.which("node")
    assert node, "node comes with requirements.txt: run the tests with .venv/bin on the PATH"
    script = (
        f"{code}; const responses = {json.dumps(paths)}.map(uri => handler({{request: {{uri}}}}));"
        "console.log(JSON.stringify(responses))"
    )
    ended = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    returned: list[Json] = json.loads(ended.stdout)
    return returned


def test_a_path_that_the_page_does_not_have_gets_its_own_404(assembly: Assembly) -> None:
    not_found = function(assembly, "NotFound")
    (association,) = configuration(assembly)["DefaultCacheBehavior"]["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"
    assert association["FunctionARN"]["Fn::GetAtt"][0] == not_found.logical_id
    code = not_found.properties["FunctionCode"]
    published = [path for path in page_files(assembly).rglob("*") if path.is_file()]
    names = {f"/{path.relative_to(page_files(assembly)).as_posix()}" for path in published}
    # Of the page that a deployment is replacing, whose function comes before or after it.
    of_another_version = "/assets/ffff/page.js"
    assert of_another_version not in names
    found = {"/", "/config.js", *names, of_another_version}
    assert len(found) >= 5
    assert all(each == {"uri": path} for each, path in zip(run(code, *found), found, strict=True))
    for response in run(code, "/shop", "/index.htm", "/api", "/assets/", "//", "/constructor"):
        assert response["statusCode"] == 404
        assert 'href="/assets/0a1b/icon.svg"> Nothing here' in response["body"]
        headers = {name: each["value"] for name, each in response["headers"].items()}
        assert headers["content-type"].startswith("text/html")
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        assert headers["x-content-type-options"] == "nosniff"


def test_a_page_of_too_many_files_for_the_function_is_refused() -> None:
    names = [f"samples/{number:02}-{'x' * 40}.jpg" for number in range(500)]
    with pytest.raises(InputError, match=r"too many files.* expected at most 10240"):
        not_found_code(names, "", {})


def test_no_error_is_rewritten(assembly: Assembly) -> None:
    """A page for 403 and 404 would replace responses of the API too."""
    for response in configuration(assembly)["CustomErrorResponses"]:
        assert response.keys() == {"ErrorCode", "ErrorCachingMinTTL"}


def test_no_error_is_kept_for_another_caller(assembly: Assembly) -> None:
    """CloudFront caches these for 10 s by default, whatever their Cache-Control is."""
    kept = configuration(assembly)["CustomErrorResponses"]
    assert {each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in kept} == dict.fromkeys(
        (400, 403, 404, 405, 414, 500, 501, 502, 503, 504), 0
    )


def test_a_stage_may_stand_in_two_regions_of_an_account(assembly: Assembly) -> None:
    """These two names must be unique in the account, not only in the region."""
    access = assembly.resource("web", "AWS::CloudFront::OriginAccessControl").properties
    headers = assembly.resource("web", "AWS::CloudFront::ResponseHeadersPolicy").properties
    expected = {"Fn::Join": ["", [f"{assembly.settings.name}-web-", {"Ref": "AWS::Region"}]]}
    assert access["OriginAccessControlConfig"]["Name"] == expected
    assert headers["ResponseHeadersPolicyConfig"]["Name"] == expected


def test_the_page_is_compressed_and_redirected_to_https(assembly: Assembly) -> None:
    behavior = configuration(assembly)["DefaultCacheBehavior"]
    assert behavior["Compress"] is True
    assert behavior["CachePolicyId"] == CACHING_OPTIMIZED, "takes gzip and Brotli"
    assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
    assert configuration(assembly)["DefaultRootObject"] == "index.html"


def test_only_this_distribution_reads_the_private_bucket(assembly: Assembly) -> None:
    page = bucket(assembly, "PageBucket")
    target = origin(assembly, configuration(assembly)["DefaultCacheBehavior"])
    access = assembly.resource("web", "AWS::CloudFront::OriginAccessControl")
    assert target["OriginAccessControlId"] == {"Fn::GetAtt": [access.logical_id, "Id"]}
    assert target["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    signing = access.properties["OriginAccessControlConfig"]
    assert (signing["SigningBehavior"], signing["SigningProtocol"]) == ("always", "sigv4")
    assert all(page.properties["PublicAccessBlockConfiguration"].values())
    (policy,) = (
        each
        for each in assembly.resources("web", "AWS::S3::BucketPolicy")
        if each.properties["Bucket"] == {"Ref": page.logical_id}
    )
    (allowing,) = (each for each in statements_of(policy) if each["Effect"] == "Allow")
    assert allowing["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowing["Action"] == ["s3:GetObject"]
    assert "distribution/" in flatten(allowing["Condition"]["StringEquals"]["AWS:SourceArn"])


@pytest.mark.parametrize("name", ["PageBucket", "Logs"])
def test_buckets_use_s3s_own_encryption(assembly: Assembly, name: str) -> None:
    """With a KMS key, origin access control is a cycle, and logs cannot be delivered."""
    (rule,) = bucket(assembly, name).properties["BucketEncryption"][
        "ServerSideEncryptionConfiguration"
    ]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_logs_have_a_bucket_that_cloudfront_can_write_to(assembly: Assembly) -> None:
    logs = bucket(assembly, "Logs")
    assert configuration(assembly)["Logging"]["Bucket"] == {
        "Fn::GetAtt": [logs.logical_id, "RegionalDomainName"]
    }
    (ownership,) = logs.properties["OwnershipControls"]["Rules"]
    assert ownership["ObjectOwnership"] == "BucketOwnerPreferred", "its logs come with an ACL"
    days = assembly.settings.storage.access_log_retention_days
    (rule,) = logs.properties["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == days
    kept = "RetainExceptOnCreate" if assembly.settings.retain_stateful_resources else "Delete"
    assert logs.body["DeletionPolicy"] == kept
    assert bucket(assembly, "PageBucket").body["DeletionPolicy"] == "Delete"


def test_security_headers(assembly: Assembly) -> None:
    policy = assembly.resource("web", "AWS::CloudFront::ResponseHeadersPolicy")
    headers = policy.properties["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    directives = headers["ContentSecurityPolicy"]["ContentSecurityPolicy"].split("; ")
    assert directives[0] == "default-src 'none'"
    assert not [each for each in directives if "unsafe" in each or "http" in each or "*" in each]
    assert "frame-ancestors 'none'" in directives
    assert headers["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    assert headers["ContentTypeOptions"] == {"Override": True}
    assert headers["FrameOptions"]["FrameOption"] == "DENY"
    custom = policy.properties["ResponseHeadersPolicyConfig"]["CustomHeadersConfig"]["Items"]
    permissions = {each["Header"]: each["Value"] for each in custom}["Permissions-Policy"]
    assert permissions == "camera=(self), geolocation=(), microphone=()"
    behaviors = [configuration(assembly)["DefaultCacheBehavior"], api_behavior(assembly)]
    assert all(each["ResponseHeadersPolicyId"] == {"Ref": policy.logical_id} for each in behaviors)


def test_a_domain_of_ones_own_has_its_certificate_and_tls_1_2(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    web = with_changes(
        dev_settings.web, domain_name="images.example.com", certificate_arn=CERTIFICATE
    )
    assembly = synthesize_with(with_changes(dev_settings, web=web))
    found = configuration(assembly)
    assert found["Aliases"] == ["images.example.com"]
    certificate = found["ViewerCertificate"]
    assert certificate["AcmCertificateArn"] == CERTIFICATE
    assert certificate["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert certificate["SslSupportMethod"] == "sni-only"
    outputs = assembly.template("web")["Outputs"]
    assert outputs["PageUrl"]["Value"] == "https://images.example.com/"
    assert "PageDomainTarget" in outputs


def test_a_stage_may_go_without_the_page(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    web = with_changes(dev_settings.web, enabled=False)
    assembly = synthesize_with(with_changes(dev_settings, web=web))
    assert not (assembly.directory / "whippet-dev-web.template.json").exists()


def test_the_page_gets_its_settings_and_no_key(assembly: Assembly, inputs: Inputs) -> None:
    config = json.loads(content(assembly)["Config"])
    assert config == {
        "apiBase": "/api",
        "openapi": "openapi.json",
        "modelFile": "model.json",
        "hasSamples": False,
        "keyInLink": assembly.settings.stage == "local",
        "maxBytes": MAX_IMAGE_BYTES,  # the page sends what the proxy takes
        "inputPixels": inputs.model.resize_pixels,
        "model": {"name": inputs.model.name, "version": inputs.model.version},
        "topK": 5,
    }
    assert not re.search("api.?key", json.dumps(assembly.template("web")), re.IGNORECASE)


def test_the_publisher_may_do_nothing_else(assembly: Assembly) -> None:
    page = bucket(assembly, "PageBucket").logical_id
    (role,) = assembly.resources("web", "AWS::IAM::Role")
    statements = statements_for_role(assembly, "web", role.logical_id)
    assert allowed_actions(statements) == {
        "s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject",
        "logs:CreateLogStream", "logs:PutLogEvents",
    }  # fmt: skip
    name = f"{assembly.settings.name}/web/"
    assert re.fullmatch(rf"{name}[0-9a-f]{{64}}\.zip", content(assembly)["AssetKey"])
    for statement in statements:
        for resource in map(flatten, statement["Resource"]):
            if "s3:GetObject" in statement["Action"]:
                assert resource.endswith(
                    f":::{flatten(content(assembly)['AssetBucket'])}/{name}*.zip"
                )
            if {"s3:PutObject", "s3:DeleteObject"} & set(statement["Action"]):
                assert resource == f"<{page}.Arn>/*"


def test_another_page_needs_no_other_permissions(
    dev: Assembly, inputs: Inputs, tmp_path: Path
) -> None:
    # A changed policy takes effect after some seconds, and the publisher runs before that.
    page = write_page(tmp_path / "page")
    (page / "index.html").write_text("another page")
    other = synthesize(dev.settings, replace(inputs, page_directory=page), tmp_path / "assembly")
    assert content(other)["AssetKey"] != content(dev)["AssetKey"]
    policies = [each.resource("web", "AWS::IAM::Policy").body for each in (dev, other)]
    assert policies[0] == policies[1]


def test_a_publisher_that_never_responds_fails_the_stack_soon(assembly: Assembly) -> None:
    assert int(content(assembly)["ServiceTimeout"]) <= 300
    function = assembly.resource("web", "AWS::Lambda::Function")
    assert function.properties["Timeout"] < int(content(assembly)["ServiceTimeout"])
    assert function.properties["Runtime"].startswith("python"), "Node hangs on the local cloud"


def test_the_web_stack_waits_for_the_api(assembly: Assembly) -> None:
    name = assembly.settings.name
    assert f"{name}-api" in assembly.manifest("web")["dependencies"]
