"""docs/security.md has every role of the templates."""

from collections.abc import Mapping
from typing import Any

import pytest

from tools.api_docs.documents import SECURITY_FILE, security_document
from tools.api_docs.role_rows import Role, roles_of, unattached_policies_of


@pytest.fixture(scope="module")
def roles(whole_templates: Mapping[str, Any]) -> dict[str, Role]:
    return {role.name: role for role in roles_of(whole_templates)}


def test_the_documented_roles_are_the_ones_of_the_templates(
    whole_templates: Mapping[str, Any],
) -> None:
    assert SECURITY_FILE.read_text() == security_document(whole_templates), (
        "renew it with `make documents`"
    )


def test_every_role_and_every_action_of_a_policy_is_documented(
    whole_templates: Mapping[str, Any],
) -> None:
    document = SECURITY_FILE.read_text()
    resources = [each for one in whole_templates.values() for each in one["Resources"].values()]
    role_count = sum(each["Type"] == "AWS::IAM::Role" for each in resources)
    assert document.count("\n## ") == role_count + 1 >= 11  # and the policies without a role
    assert document.count("\n### ") == len(list(unattached_policies_of(whole_templates))) == 2
    for policy in resources:
        if policy["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    assert f"`{action}`" in document


def test_what_the_introduction_says_of_api_keys_holds(roles: Mapping[str, Role]) -> None:
    readers = {
        role.name
        for role in roles.values()
        for permission in role.permissions
        if any(action.startswith(("apigateway:", "*")) for action in permission.actions)
    }
    assert readers == {"whippet-prod-check-deployment"}
    assert all(role.managed_policies == () for role in roles.values())


def test_the_stage_trusts_the_role_that_the_stack_of_github_has(roles: Mapping[str, Role]) -> None:
    deploy = roles["whippet-github-prod"]
    (permission,) = deploy.permissions
    for name in ("whippet-prod-copy-model", "whippet-prod-check-deployment"):
        (trusted,) = roles[name].trusted
        assert trusted.endswith(f":role/{deploy.name}")
        assert f"arn:aws:iam::<account>:role/{name}" in permission.resources
