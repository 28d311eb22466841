"""The findings of cdk-nag about a stage: those that are open, and those that are acknowledged."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.delivery.stage_assembly import read_stacks

_REPORT: Final = "validation-report.json"
_ACKNOWLEDGED: Final = "aws:cdk:acknowledged-rules"
_PREFIX: Final = "Annotation::"


def describe_findings(assembly: Path, stage: str) -> str:
    """Return one line for each finding, with its construct, and the reason if it is acknowledged.

    Args:
        assembly: the cloud assembly of the pipeline.
        stage: name of the stage.

    Raises:
        ToolError: the assembly does not have the stage.
    """
    opened = sorted(_open(assembly, stage))
    acknowledged = sorted(_acknowledged(assembly, stage))
    return "\n".join(
        [
            f"Open findings of {stage}: {len(opened)}",
            *(f"  {rule}\n    {construct}" for rule, construct in opened),
            "",
            f"Acknowledged findings of {stage}: {len(acknowledged)}",
            *(
                f"  {rule}\n    {construct}\n    {reason}"
                for rule, construct, reason in acknowledged
            ),
            "",
        ]
    )


def _open(assembly: Path, stage: str) -> Iterator[tuple[str, str]]:
    report = json.loads((assembly / _REPORT).read_text(encoding="utf-8"))
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            for construct in violation["violatingConstructs"]:
                if construct["constructPath"].startswith(f"{stage}/"):
                    yield violation["ruleName"], construct["constructPath"]


def _acknowledged(assembly: Path, stage: str) -> Iterator[tuple[str, str, str]]:
    for stack in read_stacks(assembly, stage):
        if stack.metadata is None:
            continue
        recorded = json.loads(stack.metadata.read_text(encoding="utf-8"))
        for construct, entries in recorded.items():
            for entry in entries:
                if entry["type"] == _ACKNOWLEDGED:
                    for rule, reason in entry["data"].items():
                        yield rule.removeprefix(_PREFIX), construct.lstrip("/"), reason
