"""Every role of the app, and every policy without one: the rows of docs/security.md."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Template = Mapping[str, Any]

# CDK ends logical ids with eight digits of a hash.
_HASH: Final = re.compile(r"[0-9A-F]{8}$")
# Names of outputs for other stacks; CDK composes them of the logical id and the attribute.
_OUTPUT: Final = re.compile(r"PublishOutputFnGetAtt(\w+?)[0-9A-F]{8}(\w+)")
_ATTRIBUTE: Final = r"\1.\2"
_SHA256: Final = re.compile(r"\b[0-9a-f]{64}\b")
_PSEUDO: Final = {
    "AWS::AccountId": "account",
    "AWS::Partition": "partition",
    "AWS::Region": "region",
    "AWS::StackId": "this stack",
}
_ACCOUNT_OF_EXAMPLE: Final = "111122223333"


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One statement of a role's policies.

    Attributes:
        effect: "Allow" or "Deny".
        actions: for example "s3:GetObject".
        resources: ARNs; references are in angle brackets.
        condition: as JSON; empty if there is none.
    """

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str


@dataclass(frozen=True, kw_only=True)
class Role:
    """One role of a template.

    Attributes:
        stack: name of its stack.
        name: its name, or its logical id without the hash if CloudFormation names it.
        description: what it is for; empty if it has none.
        trusted: who may assume it, with the conditions.
        managed_policies: policies of AWS.
        permissions: the statements of its own policies.
    """

    stack: str
    name: str
    description: str
    trusted: tuple[str, ...]
    managed_policies: tuple[str, ...]
    permissions: tuple[Permission, ...]


@dataclass(frozen=True, kw_only=True)
class UnattachedPolicy:
    """A managed policy that no role of the app has.

    Attributes:
        stack: name of its stack.
        name: its logical id without the hash.
        description: what it is for; empty if it has none.
        permissions: its statements.
    """

    stack: str
    name: str
    description: str
    permissions: tuple[Permission, ...]


def unattached_policies_of(templates: Mapping[str, Template]) -> Iterator[UnattachedPolicy]:
    """Yield every managed policy of the app that no role has, in the order of the stacks.

    Args:
        templates: by the stack's name.
    """
    attached = {
        _policy_of_app(arn, stack, templates)
        for stack, template in templates.items()
        for resource in template["Resources"].values()
        for arn in resource.get("Properties", {}).get("ManagedPolicyArns", [])
    }
    for stack, template in templates.items():
        for logical_id, resource in template["Resources"].items():
            if (
                resource["Type"] == "AWS::IAM::ManagedPolicy"
                and (stack, logical_id) not in attached
            ):
                properties = resource["Properties"]
                yield UnattachedPolicy(
                    stack=stack,
                    name=_without_hash(logical_id),
                    description=properties["Description"],
                    permissions=tuple(map(_permission, properties["PolicyDocument"]["Statement"])),
                )


def roles_of(templates: Mapping[str, Template]) -> Iterator[Role]:
    """Yield every role, in the order of the stacks and of each template.

    Args:
        templates: by the stack's name.
    """
    for stack, template in templates.items():
        resources = template["Resources"]
        for logical_id, resource in resources.items():
            if resource["Type"] == "AWS::IAM::Role":
                yield _role(stack, logical_id, resource, templates)


def _role(
    stack: str, logical_id: str, resource: Mapping[str, Any], templates: Mapping[str, Template]
) -> Role:
    properties = resource["Properties"]
    trust = properties["AssumeRolePolicyDocument"]["Statement"]
    own, foreign = [], []
    for arn in properties.get("ManagedPolicyArns", []):
        statements = _managed_policy(arn, stack, templates)
        if statements is None:
            foreign.append(readable(arn))
        else:
            own += statements
    for policy in properties.get("Policies", []):
        own += policy["PolicyDocument"]["Statement"]
    for policy in templates[stack]["Resources"].values():
        attached = policy.get("Properties", {}).get("Roles", [])
        if policy["Type"] == "AWS::IAM::Policy" and {"Ref": logical_id} in attached:
            own += policy["Properties"]["PolicyDocument"]["Statement"]
    return Role(
        stack=stack,
        name=properties.get("RoleName") or _without_hash(logical_id),
        description=properties.get("Description", ""),
        trusted=tuple(_trusted(statement) for statement in trust),
        managed_policies=tuple(foreign),
        permissions=tuple(_permission(statement) for statement in own),
    )


def _managed_policy(
    arn: Any, stack: str, templates: Mapping[str, Template]
) -> list[Mapping[str, Any]] | None:
    """Return the statements of a managed policy of the app; None: it is one of AWS."""
    found = _policy_of_app(arn, stack, templates)
    if found is None:
        return None
    stack, logical_id = found
    policy = templates[stack]["Resources"][logical_id]
    statements: list[Mapping[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return statements


def _policy_of_app(
    arn: Any, stack: str, templates: Mapping[str, Template]
) -> tuple[str, str] | None:
    """Return the stack and the logical id of a managed policy; None: it is not of this app."""
    if not isinstance(arn, dict):
        return None
    if output := arn.get("Fn::GetStackOutput"):
        stack = output["StackName"]
        arn = templates[stack]["Outputs"][output["OutputName"]]["Value"]
    logical_id = arn.get("Ref")
    return (stack, logical_id) if logical_id in templates[stack]["Resources"] else None


def _trusted(statement: Mapping[str, Any]) -> str:
    (principals,) = statement["Principal"].values()
    named = ", ".join(readable(each) for each in _as_list(principals))
    condition = _condition(statement)
    return f"{named} if {condition}" if condition else named


def _permission(statement: Mapping[str, Any]) -> Permission:
    return Permission(
        effect=statement["Effect"],
        actions=tuple(_as_list(statement["Action"])),
        # Sorted as they are shown: CDK's order depends on the hashes of assets.
        resources=tuple(sorted(readable(each) for each in _as_list(statement["Resource"]))),
        condition=_condition(statement),
    )


def _condition(statement: Mapping[str, Any]) -> str:
    parts = [
        f"{key} {operator} {' or '.join(readable(each) for each in _as_list(value))}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    ]
    return " and ".join(parts)


def readable(value: Any) -> str:
    """Return an intrinsic value of CloudFormation as text, with references in angle brackets."""
    match value:
        case str():
            return _generalized(value)
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(readable(part) for part in parts)
        case {"Ref": name}:
            return f"<{_named(name)}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{_named(name)}.{attribute}>"
        case {"Fn::GetStackOutput": {"StackName": stack, "OutputName": name}}:
            return f"<{_OUTPUT.sub(_ATTRIBUTE, name)} of {stack}>"
        case {"Fn::Sub": template}:
            named = re.sub(r"\$\{([^}]+)\}", lambda found: f"<{_named(found[1])}>", template)
            return _generalized(named)
    return json.dumps(value)


def _generalized(text: str) -> str:
    return _SHA256.sub("<sha256>", text.replace(_ACCOUNT_OF_EXAMPLE, "<account>"))


def _named(name: str) -> str:
    return _PSEUDO.get(name) or _without_hash(name)


def _without_hash(name: str) -> str:
    return _HASH.sub("", name)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
