"""The roles that the workflows on GitHub assume."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from app import build
from stacks.errors import SettingsError
from stacks.settings.github_stages import load_github_stages
from tests.github_config import GITHUB, ISSUER, PROD_ACCOUNT, STAGES, TEST_ACCOUNT, write_config
from tests.stacks.assembly import FEATURE_FLAGS, Json, flatten, walk
from tests.stacks.github import synthesize_github
from tests.stacks.test_cfn_lint import in_repository, lint

REPOSITORY_SUBJECT = "repo:Octo-Org@123456/image.classifier@456789"

__all__ = ["in_repository"]  # the fixture


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("github")


@pytest.fixture(scope="module")
def templates(directory: Path) -> dict[str, Json]:
    return synthesize_github(directory)


def roles(template: Json) -> dict[str, Json]:
    """Return the roles by name, each with the statements of its policies."""
    resources = template["Resources"]
    found = {}
    for logical_id, resource in resources.items():
        if resource["Type"] == "AWS::IAM::Role":
            assert "ManagedPolicyArns" not in resource["Properties"]
            statements = [
                statement
                for policy in resources.values()
                if policy["Type"] == "AWS::IAM::Policy"
                and {"Ref": logical_id} in policy["Properties"]["Roles"]
                for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            ]
            found[resource["Properties"]["RoleName"]] = {
                **resource["Properties"],
                "Statements": statements,
            }
    return found


def arns(statement: Json) -> list[str]:
    resources = statement["Resource"]
    return [flatten(each) for each in (resources if isinstance(resources, list) else [resources])]


def test_each_account_has_one_stack_with_the_roles_of_its_stages(
    templates: dict[str, Json],
) -> None:
    assert {account: set(roles(template)) for account, template in templates.items()} == {
        TEST_ACCOUNT: {"whippet-github-dev", "whippet-github-qa", "whippet-github-pull-requests"},
        PROD_ACCOUNT: {"whippet-github-prod", "whippet-github-pull-requests"},
    }


def test_a_stack_has_the_place_and_the_protection_of_its_stages(directory: Path) -> None:
    synthesize_github(directory / "again")
    artifacts = json.loads((directory / "again" / "manifest.json").read_text())["artifacts"]
    stacks = {
        artifact["environment"]: artifact["properties"]["terminationProtection"]
        for artifact in artifacts.values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert stacks == {
        f"aws://{TEST_ACCOUNT}/eu-west-1": False,
        f"aws://{PROD_ACCOUNT}/eu-west-1": True,
    }
    names = {
        artifact["properties"].get("stackName")
        for artifact in artifacts.values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert names == {"whippet-github"}


@pytest.mark.parametrize(
    ("account", "role", "context"),
    [
        (TEST_ACCOUNT, "whippet-github-dev", "environment:dev"),
        (TEST_ACCOUNT, "whippet-github-qa", "environment:qa"),
        (PROD_ACCOUNT, "whippet-github-prod", "environment:prod"),
        (TEST_ACCOUNT, "whippet-github-pull-requests", "pull_request"),
        (PROD_ACCOUNT, "whippet-github-pull-requests", "pull_request"),
    ],
)
def test_a_role_trusts_one_subject_of_the_repository(
    templates: dict[str, Json], account: str, role: str, context: str
) -> None:
    (provider,) = (
        logical_id
        for logical_id, resource in templates[account]["Resources"].items()
        if resource["Type"] == "AWS::IAM::OIDCProvider"
    )
    trust = roles(templates[account])[role]["AssumeRolePolicyDocument"]
    assert trust["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": {"Fn::GetAtt": [provider, "Arn"]}},
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:aud": "sts.amazonaws.com",
                    f"{ISSUER}:sub": f"{REPOSITORY_SUBJECT}:{context}",
                }
            },
        }
    ]


def test_the_provider_is_githubs_and_accepts_the_audience_of_aws(
    templates: dict[str, Json],
) -> None:
    for template in templates.values():
        (provider,) = (
            resource["Properties"]
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::IAM::OIDCProvider"
        )
        assert provider["Url"] == f"https://{ISSUER}"
        assert provider["ClientIdList"] == ["sts.amazonaws.com"]
        assert "ThumbprintList" not in provider


def test_an_account_that_has_a_provider_uses_it_and_others_create_theirs(tmp_path: Path) -> None:
    arn = f"arn:aws:iam::{PROD_ACCOUNT}:oidc-provider/{ISSUER}"
    templates = synthesize_github(tmp_path, delivery=f'{GITHUB}oidc_provider_arn = "{arn}"')
    created = {
        account: [
            resource
            for resource in template["Resources"].values()
            if resource["Type"] == "AWS::IAM::OIDCProvider"
        ]
        for account, template in templates.items()
    }
    assert (len(created[TEST_ACCOUNT]), created[PROD_ACCOUNT]) == (1, [])
    for role in roles(templates[PROD_ACCOUNT]).values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Federated": arn}


@pytest.mark.parametrize(
    ("account", "stage", "region"),
    [
        (TEST_ACCOUNT, "dev", "eu-west-1"),
        (TEST_ACCOUNT, "qa", "us-east-2"),
        (PROD_ACCOUNT, "prod", "eu-west-1"),
    ],
)
def test_a_deploy_role_may_only_assume_the_roles_of_its_own_stage(
    templates: dict[str, Json], account: str, stage: str, region: str
) -> None:
    (statement,) = roles(templates[account])[f"whippet-github-{stage}"]["Statements"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
    assert "Condition" not in statement
    prefix = f"arn:aws:iam::{account}:role"
    assert sorted(arns(statement)) == [
        f"{prefix}/cdk-hnb659fds-deploy-role-{account}-{region}",
        f"{prefix}/cdk-hnb659fds-file-publishing-role-{account}-{region}",
        f"{prefix}/cdk-hnb659fds-image-publishing-role-{account}-{region}",
        f"{prefix}/whippet-{stage}-check-deployment",
        f"{prefix}/whippet-{stage}-copy-model",
    ]


def test_no_role_may_assume_the_lookup_role(templates: dict[str, Json]) -> None:
    texts = [each for each in walk(templates) if isinstance(each, str)]
    assert texts
    assert [text for text in texts if "lookup-role" in text] == []


def test_the_pull_request_role_may_read_stacks_and_the_bootstraps_version_and_nothing_else(
    templates: dict[str, Json],
) -> None:
    read, version = roles(templates[TEST_ACCOUNT])["whippet-github-pull-requests"]["Statements"]
    assert (read["Effect"], sorted(read["Action"])) == (
        "Allow",
        ["cloudformation:DescribeStacks", "cloudformation:GetTemplate"],
    )
    assert arns(read) == [
        f"arn:aws:cloudformation:eu-west-1:{TEST_ACCOUNT}:stack/whippet-dev-*/*",
        f"arn:aws:cloudformation:us-east-2:{TEST_ACCOUNT}:stack/whippet-qa-*/*",
    ]
    assert (version["Effect"], version["Action"]) == ("Allow", "ssm:GetParameter")
    assert arns(version) == [
        f"arn:aws:ssm:eu-west-1:{TEST_ACCOUNT}:parameter/cdk-bootstrap/hnb659fds/version",
        f"arn:aws:ssm:us-east-2:{TEST_ACCOUNT}:parameter/cdk-bootstrap/hnb659fds/version",
    ]


def test_sessions_end(templates: dict[str, Json]) -> None:
    for template in templates.values():
        for name, role in roles(template).items():
            hours = 1 if name.endswith("pull-requests") else 2
            assert role["MaxSessionDuration"] == hours * 3600


@pytest.mark.usefixtures("in_repository", "templates")
def test_clean(directory: Path) -> None:
    found = lint(sorted(directory.glob("*.template.json")))
    assert found == {}


def test_the_context_selects_the_roles_instead_of_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(tmp_path / "config")
    monkeypatch.setattr("app.REPOSITORY", tmp_path)
    app = App(context={**FEATURE_FLAGS, "github": "true"}, analytics_reporting=False)
    build(app)
    children = {child.node.id for child in app.node.children}
    assert {name for name in children if name.startswith("whippet-")} == {
        f"whippet-github-{TEST_ACCOUNT}",
        f"whippet-github-{PROD_ACCOUNT}",
    }


ONE = GITHUB.replace('"dev", "qa", "prod"', '"dev"')


@pytest.mark.parametrize(
    ("delivery", "dev", "message"),
    [
        ("", STAGES["dev"], r"config/delivery\.toml has no section \[github\].*docs/delivery\.md"),
        (ONE, "", 'dev.toml says delivery = "laptop": expected delivery = "github"'),
        (ONE.replace("dev", "qa"), STAGES["dev"], "stage = 'qa': expected one of dev"),
        (
            f'{ONE}oidc_provider_arn = "arn:aws:iam::{PROD_ACCOUNT}:oidc-provider/{ISSUER}"',
            STAGES["dev"],
            f"account {PROD_ACCOUNT}: expected an account of the stages, {TEST_ACCOUNT}",
        ),
        (ONE.replace('"456789"', "2"), STAGES["dev"], "github.repository_id = 2: expected"),
        (ONE.replace('"dev"', '"dev", "dev"'), STAGES["dev"], "each once"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    tmp_path: Path, delivery: str, dev: str, message: str
) -> None:
    config = write_config(tmp_path / "config", delivery=delivery, stages={"dev": dev})
    with pytest.raises(SettingsError, match=message):
        load_github_stages(config)


def test_another_bootstrap_has_other_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags: dict[str, Any] = {**FEATURE_FLAGS, "@aws-cdk/core:bootstrapQualifier": "team7"}
    monkeypatch.setattr("tests.stacks.assembly.FEATURE_FLAGS", flags)
    template = synthesize_github(tmp_path, delivery=ONE)[TEST_ACCOUNT]
    deploy = roles(template)["whippet-github-dev"]["Statements"][0]
    assert "role/cdk-team7-deploy-role-" in arns(deploy)[0]
    read = roles(template)["whippet-github-pull-requests"]["Statements"][1]
    assert arns(read)[0].endswith(":parameter/cdk-bootstrap/team7/version")
