"""What the deployment of a stage would change in its templates."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tools.aws import is_missing_stack
from tools.cdk import ROOT, cdk_command, cdk_environment, of_assembly
from tools.console import ToolError
from tools.delivery.stage_assembly import AssembledStack, read_stacks, stage_folder

# Templates by the name of their stack.
Deployed = Mapping[str, Any]


def read_deployed(cloudformation: Any, assembly: Path, stage: str) -> Deployed:
    """Return the deployed templates of the stacks of an assembly; new stacks have none.

    Args:
        cloudformation: boto3 client.
        assembly: the cloud assembly of the pipeline.
        stage: name of the stage.
    """
    deployed = {}
    for stack in read_stacks(assembly, stage):
        try:
            found = cloudformation.get_template(StackName=stack.name, TemplateStage="Original")
        except ClientError as error:
            if not is_missing_stack(error):
                raise
            continue
        deployed[stack.name] = found["TemplateBody"]
    return deployed


def describe_changes(deployed: Deployed, assembly: Path, stage: str) -> str:
    """Return what `cdk diff` says of each stack that changes, and the names of the others.

    Args:
        deployed: templates by the name of their stack; without one, all of the stack is new.
        assembly: the cloud assembly of the pipeline.
        stage: name of the stage.

    Raises:
        ToolError: the assembly does not have the stage, or the command line of CDK failed.
    """
    changed, same = [], []
    for stack in read_stacks(assembly, stage):
        synthesized = json.loads(stack.template.read_text(encoding="utf-8"))
        before = deployed.get(stack.name)
        if before == synthesized:
            same.append(stack.name)
            continue
        title = "New" if before is None else "Changed"
        difference = _difference(stack, before or {}, stage_folder(assembly, stage))
        changed.append(f"## {title}: {stack.name}\n\n{difference}\n")
    unchanged = f"Unchanged: {', '.join(same)}\n" if same else ""
    return "\n".join([*changed, unchanged]).rstrip("\n") + "\n"


def _difference(stack: AssembledStack, before: Any, folder: Path) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as template:
        template.write(before if isinstance(before, str) else json.dumps(before))
        template.flush()
        ended = subprocess.run(  # noqa: S603 - the command is built here
            cdk_command(
                "diff", stack.path, *of_assembly(folder), "--no-color", "--template", template.name
            ),
            cwd=ROOT,
            env=cdk_environment(_without_account(os.environ)),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if ended.returncode != 0:
        raise ToolError(f"The templates of {stack.name} cannot be compared:\n{ended.stdout}")
    return ended.stdout.strip()


def _without_account(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without credentials: both templates are here."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true"}
