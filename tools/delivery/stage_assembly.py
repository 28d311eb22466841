"""The stacks of a stage in the cloud assembly of the pipeline."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.console import ToolError


@dataclass(frozen=True, kw_only=True)
class AssembledStack:
    """A synthesized stack.

    Attributes:
        name: the stack's name.
        path: what the command line of CDK calls it, such as prod/whippet-prod-api.
        template: file of the template.
        metadata: file of what the constructs recorded, if there is one.
    """

    name: str
    path: str
    template: Path
    metadata: Path | None


def stage_folder(assembly: Path, stage: str) -> Path:
    """Return the folder of a stage in an assembly.

    Raises:
        ToolError: there is no such folder.
    """
    folder = assembly / f"assembly-{stage}"
    if not folder.is_dir():
        raise ToolError(
            f"{folder} is missing: expected the assembly that `make synth-pipeline` writes, with "
            f"the stage {stage}"
        )
    return folder


def read_stacks(assembly: Path, stage: str) -> list[AssembledStack]:
    """Return the stacks of a stage in the order of the assembly.

    Raises:
        ToolError: the assembly does not have the stage.
    """
    folder = stage_folder(assembly, stage)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return [
        _stack(folder, artifact)
        for artifact in manifest["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
    ]


def _stack(folder: Path, artifact: dict[str, Any]) -> AssembledStack:
    metadata = artifact.get("additionalMetadataFile")
    return AssembledStack(
        name=artifact["properties"]["stackName"],
        path=artifact["displayName"].partition(" ")[0],
        template=folder / artifact["properties"]["templateFile"],
        metadata=folder / metadata if metadata else None,
    )
