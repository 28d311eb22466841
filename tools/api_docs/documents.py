"""`make documents`: the parts of docs/ that are generated from the code."""

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from stacks.settings.delivery import DeliverySettings
from tools.api_docs.alarm_document import operations_document
from tools.api_docs.error_rows import Row, error_rows
from tools.api_docs.presets_document import PRESETS_FILE, presets_document, said_costs
from tools.api_docs.role_rows import (
    Permission,
    Role,
    Template,
    UnattachedPolicy,
    roles_of,
    unattached_policies_of,
)
from tools.api_docs.setting_rows import SettingSection, setting_sections
from tools.api_docs.synthesis import synthesize_with
from tools.architecture.draw import ARCHITECTURE_FILE, draw_architecture
from tools.cdk import ROOT
from tools.console import run_tool
from tools.costs.costs_document import COSTS_FILE, costs_document
from tools.costs.machines_document import MACHINES_FILE, machines_document
from tools.costs.preset_stages import stages_of

ERRORS_FILE = ROOT / "docs" / "errors.md"
OPERATIONS_FILE = ROOT / "docs" / "operations.md"
SECURITY_FILE = ROOT / "docs" / "security.md"
SETTINGS_FILE = ROOT / "docs" / "settings.md"

_ERRORS_INTRODUCTION = """\
# Errors

Generated from the code by `make documents`; do not edit.

Every error has one shape, whichever component returns it:

```json
{"error": {"code": "empty_body", "message": "The request has no image. …"}, "request_id": "…"}
```

Programs use the status and the code; the message is for people. Where a row has seconds, the
response has them in `Retry-After`. The proxy passes on the errors with which the model server
rejects an image; its other errors become the proxy's own. Every response has
`Cache-Control: no-store`, so that browsers and proxies do not keep it.

The shape of some responses of AWS cannot be changed. Above 6 MB the status is 413 with
`{"message": "Request Too Long"}`, above 10 MB it is 413 with plain text. Behind the page's domain,
CloudFront refuses methods that it does not know, such as TRACE, with HTML. A request that is not
valid HTTP, or has more than 10,240 bytes of headers, does not reach the API.

| status | code | returned by | meaning | retry after |
|---|---|---|---|---|
"""

_SETTINGS_INTRODUCTION = """\
# Settings

Made from the code by `make documents`; do not edit.

A stage is a file, `config/<stage>.toml`, that contains only what differs from the defaults on this
page. The defaults are those of a stage of a developer: an empty file is a valid stage. A setting
that a later version adds has a default, so your file needs no change.

```toml
log_retention_days = 90

[api]
memory_mb = 1024
provisioned_concurrency = 3
```

A stage may start from a preset, a file in `config/presets/`: `preset = "dogs"` above all sections.
The stage's file comes before the preset, key by key, and the preset before the defaults; a list is
replaced as a whole. A preset has any setting but those that say which stage it is (`account`,
`region`, `delivery`, `asset_key_arn`, `preset`). [presets.md](presets.md) describes them. Where the
stage's file sets another `serving.mode` than its preset, what the preset sets for its own mode is
left out; the same holds for `config/local.toml` below `make up PRESET=...`.

An unknown key, a value of the wrong type and a value out of bounds are errors: each names the file,
the key, the value and what was expected. Bounds are included. `true` is not a number, and a whole
number is written without a decimal point.
"""

_DELIVERY_INTRODUCTION = """
# What deploys

`config/delivery.toml` says who deploys the stages whose `delivery` is not `laptop`
([delivery.md](delivery.md)). Without such stages the file is not needed.
"""


_SECURITY_INTRODUCTION = """\
# Roles and their permissions

Generated from the templates by `make documents`; do not edit. They are those of the stage prod as
GitHub Actions deploys it, of the roles of the workflows, and of a pipeline for that stage.

No role has a policy of AWS's own, and none may do anything that is not listed here. A reference to
another resource is in angle brackets, such as `<BucketsModels.Arn>`. Actions with the resource `*`
do not support resource-level permissions, except where CDK Pipelines grants them
(stacks/components/pipeline/acknowledgements.py has the reasons).

Who can read an API key: `whippet-prod-check-deployment`, which may read the one of its own stage;
who may deploy, because CDK's roles of the bootstrap can create anything; and administrators. The
role of pull requests cannot: it is not CDK's lookup role, which may read the whole account.

The stage has a KMS key of its own, with which a role may do what is listed. With
`encryption = "aws"` it has none, and no role has a permission of KMS but that of copying a model,
for the key of the source. Then S3 encrypts the buckets (SSE-S3), CloudWatch Logs the log groups and
SageMaker the volumes, each with keys that AWS manages and shares between customers; SageMaker
writes the output of jobs with the account's key `aws/s3`. The topics are not encrypted: a message
names an alarm and its values. Nobody can then withdraw a key from a reader, or see its use in
CloudTrail, and another account reads a model by the bucket's policy alone. A deployed stage keeps
its key: objects can be read only with the key with which they were written. `make deploy` refuses
to take it away, and so does the review of a pipeline whose stage is approved by hand. The comment
on a pull request begins with a warning. A pipeline without an approval and the workflow that
deploys from main do not refuse it. From `aws` to `kms` a stage may change: what is written from
then on is encrypted with the key, and the rest can still be read.

The stage runs in a network of its own (`network.vpc`); without one the actions of `ec2:` in the
stacks of serving, training and API do not exist, but for those of the EC2 trainer, and neither does
the stack of the network. In an existing network the subnets are those of the settings, of any
account: another one may share them. Lambda requires `ec2:DeleteNetworkInterface` for all resources
of EC2; the code of the functions is denied it.

The proxy may use S3, and the key, only with `api.uploads_enabled`: it signs addresses for images
under `uploads/`, reads and deletes them, and may list none.

In a stage that a pipeline deploys, the roles `whippet-prod-...` trust `whippet-pipeline-prod`
instead of `whippet-github-prod`. A stage that a laptop deploys has neither.
"""
_UNATTACHED_INTRODUCTION = """
## Policies that no role has

`PackagesApproverPolicy` is for those who approve models: attach it to their role or group (its ARN
is the output ApproverPolicyArn). No other policy may approve one. Those of the storage stack are
for settings that are off.
"""


def main() -> None:
    """Write the files."""
    argparse.ArgumentParser(
        prog="python -m tools.api_docs.documents", description=__doc__
    ).parse_args()
    stages = stages_of(synthesize_with("stacks.preset_templates"))
    templates = synthesize_with("stacks.role_templates")
    for file, document in (
        (ARCHITECTURE_FILE, draw_architecture(templates, "whippet-prod")),
        (COSTS_FILE, costs_document(stages, said_costs())),
        (ERRORS_FILE, errors_document()),
        (MACHINES_FILE, machines_document(stages)),
        (OPERATIONS_FILE, operations_document()),
        (PRESETS_FILE, presets_document()),
        (SECURITY_FILE, security_document(templates)),
        (SETTINGS_FILE, settings_document()),
    ):
        file.write_text(document, encoding="utf-8")
        print(f"Wrote {file.relative_to(Path.cwd())}")


def errors_document() -> str:
    """Return the content of docs/errors.md."""
    lines = [
        f"| {row.status} | `{row.code}` | {row.source} | {row.meaning} | {_retry_after(row)} |"
        for row in error_rows()
    ]
    return _ERRORS_INTRODUCTION + "\n".join(lines) + "\n"


def _retry_after(row: Row) -> str:
    if row.retry_after_seconds is None:
        return ""
    return f"{'up to ' if row.retry_after_varies else ''}{row.retry_after_seconds} s"


def security_document(templates: Mapping[str, Template]) -> str:
    """Return the content of docs/security.md.

    Args:
        templates: by the stack's name.
    """
    roles = "".join(_role(role) for role in roles_of(templates))
    policies = "".join(_policy(policy) for policy in unattached_policies_of(templates))
    return f"{_SECURITY_INTRODUCTION}{roles}{_UNATTACHED_INTRODUCTION}{policies}"


def _policy(policy: UnattachedPolicy) -> str:
    description = f"{policy.description}.\n\n" if policy.description else ""
    head = f"\n### {policy.name} in {policy.stack}\n\n{description}"
    return head + _permissions(policy.permissions)


def _role(role: Role) -> str:
    trusted = "; ".join(f"`{each}`" for each in role.trusted)
    managed = f" Policies of AWS: {_code(role.managed_policies)}." if role.managed_policies else ""
    description = f"{role.description}. " if role.description else ""
    head = f"\n## {role.name} in {role.stack}\n\n{description}Assumed by {trusted}.{managed}\n\n"
    if not role.permissions:
        return f"{head}No permissions.\n"
    return head + _permissions(role.permissions)


def _permissions(permissions: Iterable[Permission]) -> str:
    lines = [_permission(each) for each in permissions]
    return "| | actions | resources | condition |\n|---|---|---|---|\n" + "\n".join(lines) + "\n"


def _permission(permission: Permission) -> str:
    condition = f"`{permission.condition}`" if permission.condition else ""
    return (
        f"| {permission.effect} | {_code(permission.actions)} | {_code(permission.resources)} | "
        f"{condition} |"
    )


def _code(words: Iterable[str]) -> str:
    return "<br>".join(f"`{word}`" for word in words)


def settings_document() -> str:
    """Return the content of docs/settings.md."""
    stage = "".join(map(_section, setting_sections()))
    _, *delivery = setting_sections(DeliverySettings)
    return (
        _SETTINGS_INTRODUCTION + stage + _DELIVERY_INTRODUCTION + "".join(map(_section, delivery))
    )


def _section(section: SettingSection) -> str:
    title = f"`{section.header}`" if section.header else "The stage"
    lines = [
        f"| `{row.key}` | {_escaped(row.allowed)} | {row.unit} | {row.default} | "
        f"{row.description} |"
        for row in section.rows
    ]
    return (
        f"\n## {title}\n\n{section.description}\n\n"
        "| key | value | unit | default | description |\n|---|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )


def _escaped(words: str) -> str:
    """Escape characters that Markdown would render as emphasis or HTML."""
    return re.sub(r"([*<|])", r"\\\1", words)


if __name__ == "__main__":
    run_tool(main)
