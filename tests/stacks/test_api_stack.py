import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stacks.components.classifier_api import ACCESS_LOG_FORMAT
from stacks.components.gateway_responses import GATEWAY_ERRORS
from stacks.inputs import Inputs
from stacks.settings import StageSettings
from tests.stacks.assembly import (
    Assembly,
    Json,
    Resource,
    allowed_actions,
    flatten,
    statement_allowing,
    statements_for_role,
    synthesize,
)
from tests.stacks.conftest import Synthesize

ACCOUNT = "AWS::ApiGateway::Account"
ALIAS = "AWS::Lambda::Alias"
FUNCTION = "AWS::Lambda::Function"
METHOD = "AWS::ApiGateway::Method"
REST_API = "AWS::ApiGateway::RestApi"
RESPONSE = "AWS::ApiGateway::GatewayResponse"
STAGE = "AWS::ApiGateway::Stage"
ORIGIN = "https://app.example.com"


def with_api(settings: StageSettings, **changes: Any) -> StageSettings:
    return dataclasses.replace(settings, api=dataclasses.replace(settings.api, **changes))


def proxy_role(assembly: Assembly) -> Resource:
    role = assembly.resource("api", FUNCTION).properties["Role"]["Fn::GetAtt"][0]
    (found,) = (
        each for each in assembly.resources("api", "AWS::IAM::Role") if each.logical_id == role
    )
    return found


def proxy_statements(assembly: Assembly) -> list[Json]:
    return statements_for_role(assembly, "api", proxy_role(assembly).logical_id)


def gateway_responses(assembly: Assembly) -> dict[str, Json]:
    return {
        each.properties["ResponseType"]: each.properties
        for each in assembly.resources("api", RESPONSE)
    }


def test_the_function_is_what_was_agreed(assembly: Assembly) -> None:
    function = assembly.resource("api", FUNCTION).properties
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert function["Handler"] == "classifier_proxy.handler.handle"
    assert function["MemorySize"] == assembly.settings.api.memory_mb
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert "FunctionName" not in function
    assert function["Environment"]["Variables"] == {
        "ENDPOINT_NAME": assembly.settings.name,
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": assembly.settings.name,
        "POWERTOOLS_METRICS_NAMESPACE": "Whippet",
    }


def test_timeouts_nest(assembly: Assembly) -> None:
    function = assembly.resource("api", FUNCTION).properties
    method = assembly.resource("api", METHOD).properties
    assert function["Timeout"] == 27
    assert method["Integration"]["TimeoutInMillis"] == 29_000


def test_the_alias_is_live_and_provisioned_where_the_stage_says(assembly: Assembly) -> None:
    alias = assembly.resource("api", ALIAS).properties
    version = assembly.resource("api", "AWS::Lambda::Version").logical_id
    assert alias["Name"] == "live"
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
    wanted = assembly.settings.api.provisioned_concurrency
    assert alias.get("ProvisionedConcurrencyConfig") == (
        {"ProvisionedConcurrentExecutions": wanted} if wanted else None
    )


def test_the_api_calls_the_alias_and_no_one_else_may(assembly: Assembly) -> None:
    alias = assembly.resource("api", ALIAS).logical_id
    integration = assembly.resource("api", METHOD).properties["Integration"]
    assert integration["Type"] == "AWS_PROXY"
    assert f"<{alias}>" in flatten(integration["Uri"])
    permission = assembly.resource("api", "AWS::Lambda::Permission").properties
    assert permission["FunctionName"] == {"Ref": alias}
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert flatten(permission["SourceArn"]).endswith("/POST/predict")


def test_the_function_may_invoke_one_endpoint_log_and_trace(assembly: Assembly) -> None:
    statements = proxy_statements(assembly)
    assert allowed_actions(statements) == {
        "sagemaker:InvokeEndpoint",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }
    (endpoint,) = statement_allowing(statements, "sagemaker:InvokeEndpoint")["Resource"]
    assert flatten(endpoint) == (
        "arn:<AWS::Partition>:sagemaker:<AWS::Region>:<AWS::AccountId>:"
        f"endpoint/{assembly.settings.name}"
    )
    # SageMaker writes the names of endpoints in lower case in the ARNs that it checks.
    assert assembly.settings.name == assembly.settings.name.lower()
    group = assembly.resource("api", FUNCTION).properties["LoggingConfig"]["LogGroup"]["Ref"]
    (logs,) = statement_allowing(statements, "logs:PutLogEvents")["Resource"]
    assert logs == {"Fn::GetAtt": [group, "Arn"]}
    assert "ManagedPolicyArns" not in proxy_role(assembly).properties


def test_lambda_is_not_locked_out_by_an_account_it_does_not_send(assembly: Assembly) -> None:
    for role in assembly.resources("api", "AWS::IAM::Role"):
        (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
        assert "Condition" not in statement


def test_function_and_access_logs_have_groups_of_their_own(assembly: Assembly) -> None:
    groups = assembly.resources("api", "AWS::Logs::LogGroup")
    assert len(groups) == 2
    for group in groups:
        assert group.properties["RetentionInDays"] == assembly.settings.log_retention_days
        assert "LogGroupName" not in group.properties
        assert group.body["DeletionPolicy"] == "Delete"


def test_the_api_is_regional_and_named_after_the_stage(assembly: Assembly) -> None:
    # Without a name every stage's metrics would merge under "Api".
    api = assembly.resource("api", REST_API).properties
    assert api["Name"] == assembly.settings.name
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_pictures_are_binary_and_nothing_else_is(assembly: Assembly) -> None:
    # "*/*" would break the answer to a CORS preflight.
    api = assembly.resource("api", REST_API).properties
    assert api["BinaryMediaTypes"] == ["image/jpeg", "image/png", "image/webp"]


def test_predict_is_the_only_method_and_needs_a_key(assembly: Assembly) -> None:
    method = assembly.resource("api", METHOD).properties
    resource = assembly.resource("api", "AWS::ApiGateway::Resource")
    assert resource.properties["PathPart"] == "predict"
    assert method["ResourceId"] == {"Ref": resource.logical_id}
    assert method["HttpMethod"] == "POST"
    assert method["ApiKeyRequired"] is True
    assert method["AuthorizationType"] == "NONE"


def test_json_is_validated_against_its_model(assembly: Assembly) -> None:
    method = assembly.resource("api", METHOD).properties
    model = assembly.resource("api", "AWS::ApiGateway::Model")
    validator = assembly.resource("api", "AWS::ApiGateway::RequestValidator")
    assert method["RequestModels"] == {"application/json": {"Ref": model.logical_id}}
    assert method["RequestParameters"] == {"method.request.querystring.top_k": False}
    assert method["RequestValidatorId"] == {"Ref": validator.logical_id}
    assert validator.properties["ValidateRequestBody"] is True
    schema = model.properties["Schema"]
    assert schema["required"] == ["image"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["image"]["type"] == "string"


def test_callers_are_limited(assembly: Assembly) -> None:
    settings = assembly.settings.api
    plan = assembly.resource("api", "AWS::ApiGateway::UsagePlan").properties
    limits = {
        "RateLimit": settings.throttle_requests_per_second,
        "BurstLimit": settings.throttle_burst_requests,
    }
    assert plan["Throttle"] == limits
    assert plan["Quota"] == {"Limit": settings.quota_requests_per_day, "Period": "DAY"}
    api, stage = assembly.resource("api", REST_API), assembly.resource("api", STAGE)
    (planned,) = plan["ApiStages"]
    assert planned == {
        "ApiId": {"Ref": api.logical_id},
        "Stage": {"Ref": stage.logical_id},
        "Throttle": {},
    }
    (method,) = stage.properties["MethodSettings"]
    assert method["ThrottlingRateLimit"] == limits["RateLimit"]
    assert method["ThrottlingBurstLimit"] == limits["BurstLimit"]


def test_the_key_belongs_to_the_plan_and_its_value_is_nowhere(assembly: Assembly) -> None:
    key = assembly.resource("api", "AWS::ApiGateway::ApiKey")
    link = assembly.resource("api", "AWS::ApiGateway::UsagePlanKey").properties
    assert link["KeyId"] == {"Ref": key.logical_id}
    assert "Value" not in key.properties
    outputs = assembly.template("api")["Outputs"]
    assert outputs["ApiKeyId"]["Value"] == {"Ref": key.logical_id}
    assert set(outputs) == {"ApiKeyId", "ApiUrl"} | {
        name for name in outputs if name.startswith("PublishOutput")
    }


def test_the_stage_logs_traces_and_measures_without_bodies(assembly: Assembly) -> None:
    stage = assembly.resource("api", STAGE).properties
    assert stage["StageName"] == "v1"
    assert stage["TracingEnabled"] is True
    (method,) = stage["MethodSettings"]
    assert (method["HttpMethod"], method["ResourcePath"]) == ("*", "/*")
    assert method["DataTraceEnabled"] is False
    assert method["LoggingLevel"] == "ERROR"
    assert method["MetricsEnabled"] is True
    access_log = json.loads(stage["AccessLogSetting"]["Format"])
    assert access_log == ACCESS_LOG_FORMAT
    assert access_log["request_id"] == "$context.requestId"
    # The key's identifier tells callers apart; the key itself is a secret.
    assert "$context.identity.apiKey" not in access_log.values()
    group = assembly.resource("api", FUNCTION).properties["LoggingConfig"]["LogGroup"]["Ref"]
    destination = flatten(stage["AccessLogSetting"]["DestinationArn"])
    assert destination.endswith(">")  # API Gateway wants the ARN without ":*"
    assert ":log-group:<AccessLogs" in destination
    assert group not in destination


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("DEFAULT_4XX", None, "request_rejected"),
        ("DEFAULT_5XX", None, "internal_error"),
        ("BAD_REQUEST_BODY", "400", "invalid_request"),
        ("BAD_REQUEST_PARAMETERS", "400", "invalid_parameters"),
        ("INVALID_API_KEY", "403", "invalid_api_key"),
        ("MISSING_AUTHENTICATION_TOKEN", "403", "route_not_found"),
        ("REQUEST_TOO_LARGE", "413", "payload_too_large"),
        ("UNSUPPORTED_MEDIA_TYPE", "415", "unsupported_media_type"),
        ("THROTTLED", "429", "throttled"),
        ("QUOTA_EXCEEDED", "429", "quota_exceeded"),
        ("INTEGRATION_FAILURE", "504", "integration_failure"),
        ("INTEGRATION_TIMEOUT", "504", "integration_timeout"),
    ],
)
def test_api_gateways_own_errors_have_the_one_shape(
    assembly: Assembly, kind: str, status: str | None, code: str
) -> None:
    response = gateway_responses(assembly)[kind]
    # A status on a default would become that of every error of its class.
    assert response.get("StatusCode") == status
    body = json.loads(response["ResponseTemplates"]["application/json"])
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert body == {"error": body["error"], "request_id": "$context.requestId"}


def test_every_gateway_error_is_in_the_template(assembly: Assembly) -> None:
    assert set(gateway_responses(assembly)) == {error.kind for error in GATEWAY_ERRORS}


@pytest.mark.parametrize(("kind", "seconds"), [("THROTTLED", 1), ("QUOTA_EXCEEDED", 3600)])
def test_limits_say_when_to_try_again(assembly: Assembly, kind: str, seconds: int) -> None:
    parameters = gateway_responses(assembly)[kind]["ResponseParameters"]
    assert parameters["gatewayresponse.header.Retry-After"] == f"'{seconds}'"


def test_no_other_origin_may_read_answers_by_default(assembly: Assembly) -> None:
    assert "Access-Control" not in json.dumps(assembly.template("api"))
    methods = {each.properties["HttpMethod"] for each in assembly.resources("api", METHOD)}
    assert methods == {"POST"}


def test_an_allowed_origin_is_on_api_gateways_own_errors_and_preflight(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_api(dev_settings, cors_allowed_origin=ORIGIN))
    for response in gateway_responses(assembly).values():
        header = "gatewayresponse.header.Access-Control-Allow-Origin"
        assert response["ResponseParameters"][header] == f"'{ORIGIN}'"
    options = [
        each.properties
        for each in assembly.resources("api", METHOD)
        if each.properties["HttpMethod"] == "OPTIONS"
    ]
    assert len(options) == 1
    assert f"'{ORIGIN}'" in json.dumps(options)
    assert options[0].get("ApiKeyRequired", False) is False
    variables = assembly.resource("api", FUNCTION).properties["Environment"]["Variables"]
    assert variables["CORS_ALLOWED_ORIGIN"] == ORIGIN


@pytest.mark.parametrize("stage", ["local", "dev"])
def test_the_accounts_logging_role_is_made_and_stays(
    assemblies: dict[str, Assembly], stage: str
) -> None:
    # Without it a stage with access logs fails in an account that never had it.
    assembly = assemblies[stage]
    account = assembly.resource("api", ACCOUNT)
    role_id = account.properties["CloudWatchRoleArn"]["Fn::GetAtt"][0]
    (role,) = (
        each for each in assembly.resources("api", "AWS::IAM::Role") if each.logical_id == role_id
    )
    assert [flatten(each) for each in role.properties["ManagedPolicyArns"]] == [
        "arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    ]
    (trust,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "apigateway.amazonaws.com"}
    for resource in (account, role):
        assert resource.body["DeletionPolicy"] == "Retain"
        assert resource.body["UpdateReplacePolicy"] == "Retain"
    assert account.logical_id in assembly.resource("api", STAGE).body["DependsOn"]


def test_prod_leaves_the_accounts_logging_role_alone(prod: Assembly) -> None:
    assert not prod.resources("api", ACCOUNT)


def test_byte_code_goes_with_the_function_and_not_into_its_hash(
    dev: Assembly, inputs: Inputs, dev_settings: StageSettings, tmp_path: Path
) -> None:
    proxy = tmp_path / "proxy"
    shutil.copytree(inputs.proxy_directory, proxy)
    cache = proxy / "classifier_proxy/__pycache__"
    cache.mkdir()
    (cache / "handler.cpython-313.pyc").write_bytes(b"byte code")
    changed = dataclasses.replace(inputs, proxy_directory=proxy)
    after = synthesize(dev_settings, changed, tmp_path / "out")
    assert after.template("api") == dev.template("api")
    shipped = (tmp_path / "out").glob("asset.*/classifier_proxy/__pycache__/*.pyc")
    assert [path.read_bytes() for path in shipped] == [b"byte code"]


def test_another_source_is_another_function(
    dev: Assembly, inputs: Inputs, dev_settings: StageSettings, tmp_path: Path
) -> None:
    proxy = tmp_path / "proxy"
    shutil.copytree(inputs.proxy_directory, proxy)
    (proxy / "classifier_proxy/handler.py").write_text("def handle(): pass\n")
    changed = dataclasses.replace(inputs, proxy_directory=proxy)
    after = synthesize(dev_settings, changed, tmp_path / "out")
    assert after.template("api") != dev.template("api")
