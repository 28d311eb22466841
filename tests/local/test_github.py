"""The roles of the workflows on GitHub, with IAM enforced: what a token can and cannot do.

The tokens have no signature, which AWS alone verifies. Issuer, audience and subject are compared.
"""

import base64
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tests.git_repository import commit
from tests.github_config import ISSUER
from tests.local.conftest import DEMO_MODEL
from tests.local.test_iam import REFUSED
from tests.local.workflow_steps import Job, clone_tree
from tests.stacks.github import synthesize_github
from tests.stacks.locks import SOURCE_BUCKET, write_lock
from tools.aws import aws_client
from tools.local.deployment import LocalDeployment

Client = Callable[[str], Any]

ACCOUNT, REGION = "123456789012", "us-east-1"  # of the local cloud
SUBJECT = "repo:octo@1/classifier@2"
DELIVERY = f"""
[github]
owner = "octo"
repository = "classifier"
owner_id = "1"
repository_id = "2"
stages = ["dev"]
oidc_provider_arn = "arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
"""
DEV = f'account = "{ACCOUNT}"\nregion = "{REGION}"\ndelivery = "github"\n'
PULL_REQUESTS, DEPLOY = "whippet-github-pull-requests", "whippet-github-dev"
A_STACK = "whippet-dev-of-the-test"
A_TEMPLATE = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


@pytest.fixture(scope="module")
def roles(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Deploy the stack of roles, and a stack of the stage dev."""
    templates = synthesize_github(
        tmp_path_factory.mktemp("github"), delivery=DELIVERY, stages={"dev": DEV}
    )
    client("iam").create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"]
    )
    cloudformation = client("cloudformation")
    stacks = {"whippet-github": templates[ACCOUNT], A_STACK: A_TEMPLATE}
    for name, template in stacks.items():
        template.pop("Rules", None)  # that CDK is bootstrapped
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
    yield
    for name in stacks:
        delete_stack(client, name)


def delete_stack(client: Client, name: str) -> None:
    """Delete a stack, which need not exist, so that other tests of this cloud do not see it."""
    client("cloudformation").delete_stack(StackName=name)
    client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def token(**claims: str) -> str:
    def part(content: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    usual = {"iss": f"https://{ISSUER}", "aud": "sts.amazonaws.com"}
    return f"{part({'alg': 'none'})}.{part(usual | claims)}.c2lnbmF0dXJl"


def assume(client: Client, role: str, **claims: str) -> dict[str, str]:
    """Return the environment variables of a session, as the workflow's action sets them."""
    credentials = client("sts").assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}",
        RoleSessionName="GitHubActions",
        WebIdentityToken=token(**claims),
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize(
    ("role", "claims"),
    [
        (DEPLOY, {"sub": f"{SUBJECT}:pull_request"}),
        (DEPLOY, {"sub": f"{SUBJECT}:ref:refs/heads/main"}),
        (DEPLOY, {"sub": f"{SUBJECT}:environment:prod"}),
        (DEPLOY, {"sub": "repo:octo/classifier:environment:dev"}),
        (DEPLOY, {"sub": "repo:octo@3/classifier@4:environment:dev"}),
        (DEPLOY, {"sub": f"{SUBJECT}:environment:dev", "aud": "https://github.com/octo"}),
        (PULL_REQUESTS, {"sub": f"{SUBJECT}:environment:dev"}),
        (PULL_REQUESTS, {"sub": "repo:another@3/classifier@4:pull_request"}),
        (PULL_REQUESTS, {"sub": f"{SUBJECT}:pull_request", "iss": "https://example.com"}),
    ],
)
def test_other_tokens_are_refused(client: Client, role: str, claims: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(client, role, **claims)


# One operation or more of every service that a stage uses.
NOT_FOR_PULL_REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("apigateway", "get_api_keys", {"includeValues": True}),
    ("apigateway", "get_rest_apis", {}),
    ("cloudformation", "get_template", {"StackName": "whippet-local-api"}),
    ("cloudformation", "get_template", {"StackName": "whippet-github"}),
    ("cloudformation", "delete_stack", {"StackName": A_STACK}),
    ("cloudformation", "update_stack", {"StackName": A_STACK, "TemplateBody": "{}"}),
    ("iam", "list_roles", {}),
    ("kms", "list_keys", {}),
    ("lambda", "list_functions", {}),
    ("logs", "describe_log_groups", {}),
    ("s3", "list_buckets", {}),
    ("s3", "list_objects_v2", {"Bucket": f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"}),
    ("sagemaker", "list_endpoints", {}),
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "whippet-local", "Body": b""}),
    ("secretsmanager", "list_secrets", {}),
    ("ssm", "get_parameter", {"Name": "/whippet/local/api-url"}),
    ("ssm", "get_parameters_by_path", {"Path": "/whippet/local"}),
]
BOOTSTRAP = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-{{}}-role-{ACCOUNT}-{REGION}"


def allowed(
    client: Client, operations: list[tuple[str, str, dict[str, Any]]]
) -> list[tuple[str, str]]:
    """Return the operations that IAM does not refuse."""
    found = []
    for service, operation, parameters in operations:
        try:
            getattr(client(service), operation)(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] in REFUSED:
                continue
        found.append((service, operation))
    return found


@pytest.mark.usefixtures("roles")
def test_a_pull_request_reads_stacks_and_no_api_key(
    deployment: LocalDeployment, client: Client
) -> None:
    session = assume(client, PULL_REQUESTS, sub=f"{SUBJECT}:pull_request")

    def pull_request(service: str) -> Any:
        return aws_client(service, deployment.environment | session)

    cloudformation = pull_request("cloudformation")
    assert cloudformation.get_template(StackName=A_STACK)["TemplateBody"]
    assert cloudformation.describe_stacks(StackName=A_STACK)["Stacks"]
    version = pull_request("ssm").get_parameter(Name="/cdk-bootstrap/hnb659fds/version")
    assert int(version["Parameter"]["Value"]) > 0

    (key,) = client("apigateway").get_api_keys()["items"]
    read_key = ("apigateway", "get_api_key", {"apiKey": key["id"], "includeValue": True})
    assert allowed(client, [read_key]) == [("apigateway", "get_api_key")]
    assume_roles = [
        ("sts", "assume_role", {"RoleArn": BOOTSTRAP.format(role), "RoleSessionName": "aws-cdk"})
        for role in ("lookup", "deploy", "file-publishing", "image-publishing")
    ]
    assert allowed(pull_request, [read_key, *NOT_FOR_PULL_REQUESTS, *assume_roles]) == []


@pytest.mark.usefixtures("roles")
def test_a_deployment_assumes_the_bootstraps_roles_but_the_lookup_role(
    deployment: LocalDeployment, client: Client
) -> None:
    session = assume(client, DEPLOY, sub=f"{SUBJECT}:environment:dev")

    def deploy(service: str) -> Any:
        return aws_client(service, deployment.environment | session)

    for role in ("deploy", "file-publishing", "image-publishing"):
        assert deploy("sts").assume_role(RoleArn=BOOTSTRAP.format(role), RoleSessionName="aws-cdk")[
            "Credentials"
        ]
    lookup = {"RoleArn": BOOTSTRAP.format("lookup"), "RoleSessionName": "aws-cdk"}
    others = [("sts", "assume_role", lookup), *NOT_FOR_PULL_REQUESTS]
    assert allowed(deploy, others) == []


MAIN, BRANCH = "Serve a model", "Keep logs longer"
STAGE_FILE = f"""{DEV}
log_retention_days = 7
[web]
enabled = false
[api]
allowed_address_ranges = ["192.0.2.0/24"]
[serving]
rollback_baking_seconds = 0
"""


@pytest.fixture(scope="module")
def clone(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone with a lock of the stage dev on main, whose artifact lies in another bucket."""
    folder = tmp_path_factory.mktemp("runner") / "a clone"
    clone_tree(folder)
    (folder / "config" / "delivery.toml").write_text(DELIVERY)
    (folder / "config" / "dev.toml").write_text(STAGE_FILE)
    lock = write_lock(folder, "dev", DEMO_MODEL)
    client("s3").create_bucket(Bucket=SOURCE_BUCKET)
    client("s3").upload_file(str(DEMO_MODEL / "model.tar.gz"), SOURCE_BUCKET, str(lock["key"]))
    commit(folder, MAIN)
    yield folder
    for purpose in ("monitoring", "api", "batch", "serving", "training", "storage"):
        delete_stack(client, f"whippet-dev-{purpose}")


@pytest.fixture(scope="module")
def plan(clone: Path) -> dict[str, Any]:
    job = Job(clone, "deploy.yml", "plan", {})
    return {name: json.loads(value) for name, value in job.run().items()}


@pytest.mark.usefixtures("roles")
def test_the_steps_of_the_workflows_deploy_and_compare(
    clone: Path, plan: dict[str, Any], client: Client, deployment: LocalDeployment
) -> None:
    """Each script as it is in the workflow; the actions are replaced by what they do."""
    stage = plan["stages"]["dev"]
    assert plan["names"] == ["dev"]
    cloud = {
        name: value
        for name, value in deployment.environment.items()
        if not name.startswith("AWS_SECRET") and name != "AWS_ACCESS_KEY_ID"
    }
    deploy = Job(
        clone,
        "deploy-stage.yml",
        "deploy",
        {"inputs.stage": "dev"}
        | {f"fromJSON(inputs.configuration).{name}": value for name, value in stage.items()},
        cloud | assume(client, DEPLOY, sub=f"{SUBJECT}:environment:dev"),
    )
    deploy.run()
    assert "Copied digits-resnet" in deploy.printed["Copy the model"]
    assert "3 responses of digits-resnet" in deploy.printed["Check the deployment"]

    for role in (stage["copy_model_role"], stage["check_deployment_role"]):
        with pytest.raises(ClientError, match="AccessDenied"):  # an administrator, who may all
            client("sts").assume_role(RoleArn=role, RoleSessionName="administrator")

    compare = Job(
        clone,
        "pull-request.yml",
        "compare",
        {"matrix.stage": "dev"},
        cloud | assume(client, PULL_REQUESTS, sub=f"{SUBJECT}:pull_request"),
    )
    # The same command as above; its templates are changed instead of made again.
    synthesis = compare.commands()[0]
    assert synthesis in deploy.commands()
    template = clone / "cdk.out" / "whippet-dev-api.template.json"
    template.write_text(
        template.read_text().replace('"RetentionInDays": 7', '"RetentionInDays": 9')
    )
    commit(clone, BRANCH)
    compare.run(skipping=synthesis)
    described = (clone / "build" / "change" / "dev.md").read_text()
    assert described.startswith("### Stage dev\n\nModel: unchanged (`digits-resnet ")
    assert described.count("<details>") == 1
    assert "<summary>whippet-dev-api</summary>" in described
    assert re.search(r"RetentionInDays\n.*\[-\] 7\n.*\[\+\] 9", described)


def test_a_pull_request_plans_as_a_deployment_does(clone: Path, plan: dict[str, Any]) -> None:
    outputs = Job(clone, "pull-request.yml", "plan", {}).run()
    assert {name: json.loads(value) for name, value in outputs.items()} == plan


def test_the_other_scripts_of_the_workflows_are_these(clone: Path) -> None:
    others = {
        (path.name, name): Job(clone, path.name, name, {}).commands()
        for path in (clone / ".github" / "workflows").glob("*.yml")
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
        if "steps" in job
    }
    assert others.pop(("test.yml", "test")) == ["make test"]
    assert others.pop(("test.yml", "presets")) == ["make test-presets"]
    notices = [others.pop((name, "not-configured")) for name in ("deploy.yml", "pull-request.yml")]
    for (notice,) in notices:
        printed = subprocess.run(
            ["bash", "-e", "-c", notice],  # noqa: S607 - of the PATH
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert printed.startswith("::notice::Nothing is ")
        assert printed.count("\n") == 1
    assert set(others) == {
        ("deploy.yml", "plan"),
        ("deploy-stage.yml", "deploy"),
        ("pull-request.yml", "plan"),
        ("pull-request.yml", "compare"),
        ("pull-request.yml", "comment"),
    }
