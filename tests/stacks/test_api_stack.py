import dataclasses
import json
import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from classifier_proxy.deadlines import RESPONSE_RESERVE_SECONDS
from classifier_proxy.endpoint.invoke import CONNECT_TIMEOUT_SECONDS
from classifier_proxy.image_url.fetch import FETCH_SECONDS
from classifier_proxy.requests import (
    FORM_MEDIA_TYPE,
    IMAGE_MEDIA_TYPES,
    OTHER_IMAGE_MEDIA_TYPES,
)
from classifier_proxy.settings import load_settings
from stacks.components.api.classifier_api import ACCESS_LOG_FORMAT
from stacks.components.api.gateway_errors import GATEWAY_ERRORS
from stacks.inputs import Inputs
from stacks.settings.api import ConcurrencySchedule
from stacks.settings.stage import StageSettings
from tests.changed_settings import with_changes
from tests.stacks.assembly import (
    REPOSITORY,
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
from tests.stacks.functions import FUNCTION, health_function, proxy_function

ACCOUNT = "AWS::ApiGateway::Account"
ALIAS = "AWS::Lambda::Alias"
METHOD = "AWS::ApiGateway::Method"
PERMISSION = "AWS::Lambda::Permission"
REST_API = "AWS::ApiGateway::RestApi"
RESPONSE = "AWS::ApiGateway::GatewayResponse"
SCALABLE_TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
STAGE = "AWS::ApiGateway::Stage"
ORIGIN = "https://app.example.com"
MODEL_SERVER_SETTINGS = REPOSITORY / "model_code/classifier/serving/settings.py"


def with_api(settings: StageSettings, **changes: Any) -> StageSettings:
    return with_changes(settings, api=with_changes(settings.api, **changes))


def read_settings(environment: dict[str, str]) -> Any:
    """Read variables as the model server does, whose package is in another environment."""
    return runpy.run_path(str(MODEL_SERVER_SETTINGS))["read_settings"](environment)


def role_of(assembly: Assembly, function: Resource) -> Resource:
    role = function.properties["Role"]["Fn::GetAtt"][0]
    (found,) = (
        each for each in assembly.resources("api", "AWS::IAM::Role") if each.logical_id == role
    )
    return found


def methods(assembly: Assembly) -> dict[str, Json]:
    """Return the methods' properties by verb and path."""
    paths = {
        each.logical_id: each.properties["PathPart"]
        for each in assembly.resources("api", "AWS::ApiGateway::Resource")
    }
    return {
        f"{each.properties['HttpMethod']} /{paths[each.properties['ResourceId']['Ref']]}": (
            each.properties
        )
        for each in assembly.resources("api", METHOD)
    }


def method_settings(assembly: Assembly) -> dict[str, Json]:
    """Return the stage's settings of methods by verb and path, as API Gateway reads them."""
    return {
        f"{each['HttpMethod']} {each['ResourcePath'].replace('~1', '')}": each
        for each in assembly.resource("api", STAGE).properties["MethodSettings"]
    }


def gateway_responses(assembly: Assembly) -> dict[str, Json]:
    return {
        each.properties["ResponseType"]: each.properties
        for each in assembly.resources("api", RESPONSE)
    }


def test_the_function_has_the_expected_properties(assembly: Assembly) -> None:
    function = proxy_function(assembly).properties
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert function["Handler"] == "classifier_proxy.handler.handle"
    assert function["MemorySize"] == assembly.settings.api.memory_mb
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert "FunctionName" not in function
    assert function["Environment"]["Variables"] == {
        "ENDPOINT_NAME": assembly.settings.name,
        "ENDPOINT_READ_TIMEOUT_SECONDS": "4",
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": assembly.settings.name,
        "POWERTOOLS_METRICS_NAMESPACE": "Whippet",
        "METRICS": assembly.settings.monitoring.metrics,
        "PAUSED_PARAMETER": f"/whippet/{assembly.settings.stage}/paused",
    } | (
        {"COUNTED_CLASSES": json.dumps(list("0123456789"))}
        if assembly.settings.monitoring.metrics == "full"
        else {}
    )


def test_health_has_a_function_of_its_own(assembly: Assembly) -> None:
    health, proxy = health_function(assembly).properties, proxy_function(assembly).properties
    for name in ("Runtime", "Architectures", "Code", "TracingConfig"):
        assert health[name] == proxy[name], name
    variables = dict(proxy["Environment"]["Variables"])
    variables.pop("COUNTED_CLASSES", None)  # It classifies nothing.
    assert health["Environment"]["Variables"] == variables
    # It responds while the proxy's concurrency is used up, and cannot take any of it.
    assert "ReservedConcurrentExecutions" not in health
    for name in ("Role", "LoggingConfig"):
        assert health[name] != proxy[name], name
    # A health check takes at most 2 seconds, after the function has started.
    assert 5 <= health["Timeout"] < 29


@pytest.mark.parametrize("seconds", [None, 2, 18])
def test_timeouts_nest(
    dev: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize, seconds: int | None
) -> None:
    changed = {} if seconds is None else {"endpoint_read_timeout_seconds": seconds}
    serving = with_changes(dev_settings.serving, rollback_model_latency_p99_ms=500)
    settings = with_changes(
        dev_settings, api=with_changes(dev_settings.api, **changed), serving=serving
    )
    assembly = dev if seconds is None else synthesize_with(settings)
    function = proxy_function(assembly).properties
    variables = function["Environment"]["Variables"]
    read_timeout_seconds = load_settings(variables).endpoint_read_timeout_seconds
    assert read_timeout_seconds == (seconds or 4)
    model = assembly.resource("serving", "AWS::SageMaker::Model")
    container = model.properties["PrimaryContainer"]["Environment"]
    deadline = container["WHIPPET_DEADLINE_MS"]
    deadline_seconds = read_settings({"WHIPPET_DEADLINE_MS": deadline}).deadline_ms / 1000
    # The model server's 503 has time to arrive before the proxy gives up.
    assert deadline_seconds == read_timeout_seconds - 1
    if seconds is None:
        assert read_settings({}).deadline_ms / 1000 == deadline_seconds, "its own default"
    one_attempt_seconds = CONNECT_TIMEOUT_SECONDS + read_timeout_seconds
    assert FETCH_SECONDS + one_attempt_seconds <= 24
    assert FETCH_SECONDS + one_attempt_seconds + RESPONSE_RESERVE_SECONDS < function["Timeout"]
    assert function["Timeout"] == 27
    for method in methods(assembly).values():
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


def test_nothing_is_reserved_or_scheduled_unless_it_is_set(assembly: Assembly) -> None:
    function = proxy_function(assembly).properties
    reserved = assembly.settings.api.reserved_concurrency
    assert function.get("ReservedConcurrentExecutions") == reserved
    assert not assembly.resources("api", SCALABLE_TARGET)


def test_concurrency_architecture_and_hosts_are_settings(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    hosts = ("images.example.com", "cdn.example.org")
    changed = with_api(
        dev_settings, architecture="x86_64", reserved_concurrency=20, url_hosts=hosts
    )
    function = proxy_function(synthesize_with(changed)).properties
    assert function["Architectures"] == ["x86_64"]
    assert function["ReservedConcurrentExecutions"] == 20
    variables = function["Environment"]["Variables"]
    assert variables["URL_ALLOWED_HOSTS"] == "images.example.com,cdn.example.org"


def test_provisioned_concurrency_follows_the_clock_where_it_is_set(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    entry = ConcurrencySchedule(
        cron="0 7 ? * MON-FRI *", time_zone="Europe/Berlin", provisioned_concurrency=9
    )
    changed = with_api(
        dev_settings, provisioned_concurrency=2, provisioned_concurrency_schedule=(entry,)
    )
    assembly = synthesize_with(changed)
    target = assembly.resource("api", SCALABLE_TARGET)
    function = proxy_function(assembly).logical_id
    assert flatten(target.properties["ResourceId"]) == f"function:<{function}>:live"
    # The name alone would let the target be registered before there is an alias.
    assert assembly.resource("api", ALIAS).logical_id in target.body["DependsOn"]
    assert target.properties["ServiceNamespace"] == "lambda"
    assert target.properties["ScalableDimension"] == "lambda:function:ProvisionedConcurrency"
    assert (target.properties["MinCapacity"], target.properties["MaxCapacity"]) == (2, 2)
    (action,) = target.properties["ScheduledActions"]
    assert action["Schedule"] == "cron(0 7 ? * MON-FRI *)"
    assert action["Timezone"] == "Europe/Berlin"
    assert action["ScalableTargetAction"] == {"MinCapacity": 9, "MaxCapacity": 9}


def test_the_api_calls_the_alias_and_health_and_no_one_else_may(assembly: Assembly) -> None:
    invoked = {
        "POST/predict": assembly.resource("api", ALIAS).logical_id,
        "GET/health": health_function(assembly).logical_id,
    }
    for name, method in methods(assembly).items():
        function = invoked[name.replace(" ", "")]
        assert method["Integration"]["Type"] == "AWS_PROXY"
        assert f"<{function}" in flatten(method["Integration"]["Uri"])
    permissions = [each.properties for each in assembly.resources("api", PERMISSION)]
    allowed = {}
    for permission in permissions:
        assert permission["Principal"] == "apigateway.amazonaws.com"
        source = flatten(permission["SourceArn"]).split("/", 2)[2]
        allowed[source] = flatten(permission["FunctionName"]).strip("<>").partition(".")[0]
    assert allowed == invoked


@pytest.mark.parametrize(
    ("function_in", "action"),
    [
        (proxy_function, "sagemaker:InvokeEndpoint"),
        (health_function, "sagemaker:DescribeEndpoint"),
    ],
)
def test_a_function_may_use_one_endpoint_and_one_parameter_log_and_trace(
    assembly: Assembly, function_in: Callable[[Assembly], Resource], action: str
) -> None:
    function = function_in(assembly)
    role = role_of(assembly, function)
    statements = statements_for_role(assembly, "api", role.logical_id)
    assert allowed_actions(statements) == {
        action,
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "ssm:GetParameter",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }
    (endpoint,) = statement_allowing(statements, action)["Resource"]
    assert flatten(endpoint) == (
        "arn:<AWS::Partition>:sagemaker:<AWS::Region>:<AWS::AccountId>:"
        f"endpoint/{assembly.settings.name}"
    )
    # SageMaker writes the names of endpoints in lower case in the ARNs that it checks.
    assert assembly.settings.name == assembly.settings.name.lower()
    group = function.properties["LoggingConfig"]["LogGroup"]["Ref"]
    (logs,) = statement_allowing(statements, "logs:PutLogEvents")["Resource"]
    assert logs == {"Fn::GetAtt": [group, "Arn"]}
    assert "ManagedPolicyArns" not in role.properties


def test_lambda_is_not_locked_out_by_an_account_it_does_not_send(assembly: Assembly) -> None:
    for role in assembly.resources("api", "AWS::IAM::Role"):
        (statement,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
        assert "Condition" not in statement


def test_functions_and_access_logs_have_groups_of_their_own(assembly: Assembly) -> None:
    groups = {
        group.logical_id: group.properties["RetentionInDays"]
        for group in assembly.resources("api", "AWS::Logs::LogGroup")
    }
    functions = [
        each.properties["LoggingConfig"]["LogGroup"]["Ref"]
        for each in assembly.resources("api", FUNCTION)
    ]
    stage = assembly.resource("api", "AWS::ApiGateway::Stage")
    destination = json.dumps(stage.properties["AccessLogSetting"]["DestinationArn"])
    (access,) = (group for group in groups if f'"{group}"' in destination)
    days = assembly.settings.log_retention_days
    assert len(set(functions)) == 2
    for function in functions:
        assert groups.pop(function) == days
    assert groups.pop(access) == assembly.settings.api.access_log_retention_days
    [(execution, execution_days)] = groups.items()
    assert execution_days == days
    # The name under which API Gateway would make a group that is never deleted.
    name = assembly.template("api")["Resources"][execution]["Properties"]["LogGroupName"]
    api = assembly.resource("api", "AWS::ApiGateway::RestApi").logical_id
    assert name == {"Fn::Join": ["", ["API-Gateway-Execution-Logs_", {"Ref": api}, "/v1"]]}
    assert execution in stage.body["DependsOn"]
    for group in assembly.resources("api", "AWS::Logs::LogGroup"):
        assert group.body["DeletionPolicy"] == "Delete"


def test_the_api_is_regional_and_named_after_the_stage(assembly: Assembly) -> None:
    # Without a name every stage's metrics would merge under "Api".
    api = assembly.resource("api", REST_API).properties
    assert api["Name"] == assembly.settings.name
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_exactly_the_image_content_types_are_binary(assembly: Assembly) -> None:
    # "*/*" would break the response to a CORS preflight.
    api = assembly.resource("api", REST_API).properties
    accepted = (*IMAGE_MEDIA_TYPES, *OTHER_IMAGE_MEDIA_TYPES, FORM_MEDIA_TYPE)
    assert api["BinaryMediaTypes"] == list(accepted)


def test_predictions_need_a_key_and_health_needs_none(assembly: Assembly) -> None:
    found = methods(assembly)
    assert {name: method["ApiKeyRequired"] for name, method in found.items()} == {
        "POST /predict": True,
        "GET /health": False,
    }
    assert {method["AuthorizationType"] for method in found.values()} == {"NONE"}


def test_every_request_with_a_key_reaches_the_proxy(assembly: Assembly) -> None:
    # A required header is compared case-sensitively, and HTTP/2 writes names in lower case.
    method = methods(assembly)["POST /predict"]
    assert not {"RequestModels", "RequestParameters", "RequestValidatorId"} & method.keys()
    assert not assembly.resources("api", "AWS::ApiGateway::Model")
    assert not assembly.resources("api", "AWS::ApiGateway::RequestValidator")


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
    every = method_settings(assembly)["* /*"]
    assert every["ThrottlingRateLimit"] == limits["RateLimit"]
    assert every["ThrottlingBurstLimit"] == limits["BurstLimit"]


def test_health_has_its_own_throttle(assembly: Assembly) -> None:
    settings = assembly.settings.api
    health = method_settings(assembly)["GET /health"]
    assert health["ThrottlingRateLimit"] == settings.health_requests_per_second
    assert health["ThrottlingBurstLimit"] == settings.health_burst_requests


def test_the_key_belongs_to_the_plan_and_its_value_is_nowhere(assembly: Assembly) -> None:
    key = assembly.resource("api", "AWS::ApiGateway::ApiKey")
    link = assembly.resource("api", "AWS::ApiGateway::UsagePlanKey").properties
    assert link["KeyId"] == {"Ref": key.logical_id}
    # Without these API Gateway makes the value, and no template knows it.
    assert not {"Value", "GenerateDistinctId", "CustomerId"} & set(key.properties)
    outputs = assembly.template("api")["Outputs"]
    assert outputs["ApiKeyId"]["Value"] == {"Ref": key.logical_id}
    own = {name for name in outputs if not name.startswith("PublishOutput")}
    firewall = {"FirewallName"} if assembly.settings.api.firewall_enabled else set()
    assert own == {"ApiKeyId", "ApiUrl"} | firewall


def test_the_stage_logs_traces_and_measures_without_bodies(assembly: Assembly) -> None:
    stage = assembly.resource("api", STAGE).properties
    assert stage["StageName"] == "v1"
    assert stage["TracingEnabled"] is True
    found = method_settings(assembly)
    assert set(found) == {"* /*", "GET /health"}
    # A method with settings of its own has none of the others'.
    for method in found.values():
        assert method["DataTraceEnabled"] is False
        assert method["LoggingLevel"] == "ERROR"
        # Detailed metrics: for each method, billed as custom metrics.
        assert method["MetricsEnabled"] is False
    access_log = json.loads(stage["AccessLogSetting"]["Format"])
    assert access_log == ACCESS_LOG_FORMAT
    assert access_log["request_id"] == "$context.requestId"
    # The key's identifier tells callers apart; the key itself is a secret.
    assert "$context.identity.apiKey" not in access_log.values()
    group = proxy_function(assembly).properties["LoggingConfig"]["LogGroup"]["Ref"]
    destination = flatten(stage["AccessLogSetting"]["DestinationArn"])
    assert destination.endswith(">")  # API Gateway wants the ARN without ":*"
    assert ":log-group:<AccessLogs" in destination
    assert group not in destination


def access_log_line(assembly: Assembly, values: dict[str, str]) -> str:
    """Write a line as API Gateway does: values as they are, "-" for a variable without a value."""
    log_format = assembly.resource("api", STAGE).properties["AccessLogSetting"]["Format"]
    return re.sub(r"\$context\.([A-Za-z.]+)", lambda found: values.get(found[1], "-"), log_format)


SUCCESS = {"requestId": "c6af9ac6-7b61", "httpMethod": "POST", "status": "200"}
# What API Gateway responds to the header `Authorization: "` on a path that it does not have.
QUOTING = "'\"' not a valid key=value pair (missing equal-sign) in Authorization header: '\"'."
REJECTED = {
    **SUCCESS,
    "status": "403",
    "error.responseType": "MISSING_AUTHENTICATION_TOKEN",
    "error.message": QUOTING,
    "error.messageString": json.dumps(QUOTING),
    # A caller chooses these.
    "identity.userAgent": '"',
    "path": '/"',
}


@pytest.mark.parametrize("values", [SUCCESS, REJECTED])
def test_every_line_of_the_access_log_is_json(assembly: Assembly, values: dict[str, str]) -> None:
    line = access_log_line(assembly, values)
    assert "\n" not in line
    log = json.loads(line)
    assert (log["request_id"], log["status"]) == (values["requestId"], values["status"])
    assert log["error_type"] == values.get("error.responseType", "-")
    assert log["trace_id"] == "-"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("DEFAULT_4XX", None, "request_rejected"),
        ("DEFAULT_5XX", None, "internal_error"),
        ("ACCESS_DENIED", "403", "address_not_allowed"),
        ("INVALID_API_KEY", "403", "invalid_api_key"),
        ("MISSING_AUTHENTICATION_TOKEN", "403", "route_not_found"),
        ("WAF_FILTERED", "403", "blocked_by_firewall"),
        ("REQUEST_TOO_LARGE", "413", "payload_too_large"),
        ("THROTTLED", "429", "throttled"),
        ("QUOTA_EXCEEDED", "429", "quota_exceeded"),
        ("INTEGRATION_FAILURE", "503", "integration_failure"),
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


@pytest.mark.parametrize(
    ("kind", "seconds"), [("THROTTLED", 1), ("QUOTA_EXCEEDED", 3600), ("INTEGRATION_FAILURE", 1)]
)
def test_responses_of_limits_have_retry_after(assembly: Assembly, kind: str, seconds: int) -> None:
    parameters = gateway_responses(assembly)[kind]["ResponseParameters"]
    assert parameters["gatewayresponse.header.Retry-After"] == f"'{seconds}'"


def test_api_gateways_own_errors_are_not_cached(assembly: Assembly) -> None:
    for response in gateway_responses(assembly).values():
        assert (
            response["ResponseParameters"]["gatewayresponse.header.Cache-Control"] == "'no-store'"
        )


def test_no_other_origin_may_read_responses_by_default(assembly: Assembly) -> None:
    assert "Access-Control" not in json.dumps(assembly.template("api"))
    assert {name.split()[0] for name in methods(assembly)} == {"POST", "GET"}


def test_an_allowed_origin_is_on_api_gateways_own_errors_and_preflight(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    assembly = synthesize_with(with_api(dev_settings, cors_allowed_origin=ORIGIN))
    for response in gateway_responses(assembly).values():
        header = "gatewayresponse.header.Access-Control-Allow-Origin"
        assert response["ResponseParameters"][header] == f"'{ORIGIN}'"
        # Retry-After is no header that a page of another origin may read without this.
        exposed = "gatewayresponse.header.Access-Control-Expose-Headers"
        assert response["ResponseParameters"][exposed] == "'Retry-After'"
    options = [
        each.properties
        for each in assembly.resources("api", METHOD)
        if each.properties["HttpMethod"] == "OPTIONS"
    ]
    assert len(options) == 1
    assert f"'{ORIGIN}'" in json.dumps(options)
    assert options[0].get("ApiKeyRequired", False) is False
    variables = proxy_function(assembly).properties["Environment"]["Variables"]
    assert variables["CORS_ALLOWED_ORIGIN"] == ORIGIN


def test_anyone_may_call_by_default(assembly: Assembly) -> None:
    assert "Policy" not in assembly.resource("api", REST_API).properties


def test_only_the_allowed_addresses_are_let_in(
    dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    ranges = ("203.0.113.0/24", "2001:db8::/32")
    assembly = synthesize_with(with_api(dev_settings, allowed_address_ranges=ranges))
    api = assembly.resource("api", REST_API)
    allow, deny = api.properties["Policy"]["Statement"]
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert "Condition" not in allow
    assert deny["Condition"] == {"NotIpAddress": {"aws:SourceIp": list(ranges)}}
    for statement in (allow, deny):
        assert statement["Action"] == "execute-api:Invoke"
        assert statement["Principal"] == {"AWS": "*"}
        assert statement["Resource"] == "execute-api:/*"


def test_another_policy_is_another_deployment(
    dev: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    # A resource policy acts from the next deployment of the API on.
    changed = synthesize_with(with_api(dev_settings, allowed_address_ranges=("203.0.113.0/24",)))
    before, after = (
        each.resource("api", "AWS::ApiGateway::Deployment").logical_id for each in (dev, changed)
    )
    assert before != after


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
