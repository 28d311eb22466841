"""A small cloud assembly of a pipeline with one stage of two stacks."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

REASON = "Any object of the one bucket or prefix"
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "images"}}


def policy(action: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::images/*"}
    return {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "Reader",
            "Roles": ["reader"],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        },
    }


TEMPLATES: dict[str, dict[str, Any]] = {
    "whippet-prod-storage": {"Resources": {"Bucket": BUCKET}},
    "whippet-prod-api": {"Resources": {"Reader": policy("s3:PutObject")}},
}


def write_assembly(folder: Path, stage: str = "prod", *, stacks: Iterable[str] = TEMPLATES) -> Path:
    """Write the assembly; its `assembly-<stage>` has the templates."""
    nested = folder / f"assembly-{stage}"
    nested.mkdir(parents=True)
    artifacts = {}
    for name in stacks:
        _write(nested / f"{name}.template.json", TEMPLATES[name])
        rule = "Annotation::AwsSolutions-IAM5[Resource::<Bucket.Arn>/*]"
        acknowledged = {"type": "aws:cdk:acknowledged-rules", "data": {rule: REASON}}
        ids = [*TEMPLATES[name]["Resources"], *TEMPLATES[name].get("Outputs", {})]
        # CDK has it for each element of a template; the CLI prints its path.
        metadata = {
            f"/{stage}/{name}/{id_}": [{"type": "aws:cdk:logicalId", "data": id_}] for id_ in ids
        }
        metadata.setdefault(f"/{stage}/{name}/Reader", []).append(acknowledged)
        _write(nested / f"{name}.metadata.json", metadata)
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://222222222222/eu-central-1",
            "properties": {"templateFile": f"{name}.template.json", "stackName": name},
            "additionalMetadataFile": f"{name}.metadata.json",
            "displayName": f"{stage}/{name}",
        }
        artifacts[f"{name}.assets"] = {
            "type": "cdk:asset-manifest",
            "properties": {"file": f"{name}.assets.json"},
        }
        _write(nested / f"{name}.assets.json", {"version": "48.0.0", "files": {}})
    _write(nested / "manifest.json", {"version": "48.0.0", "artifacts": artifacts})
    violations = [
        {"ruleName": "AwsSolutions-S1", "violatingConstructs": [{"constructPath": path}]}
        for path in (f"{stage}/whippet-{stage}-storage/Bucket", "other/whippet-other/Bucket")
    ]
    _write(folder / "validation-report.json", {"pluginReports": [{"violations": violations}]})
    return folder


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
