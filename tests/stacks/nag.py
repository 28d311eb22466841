"""The findings of AwsSolutionsChecks and their acknowledgements."""

import json
from pathlib import Path

from aws_cdk import Acknowledgment
from constructs import IConstruct

MODULE = "stacks.components.shared.acknowledgement.Validations"


def findings(directory: Path) -> list[tuple[str, str]]:
    """Return the findings in an assembly as (rule, construct) pairs."""
    report = json.loads((directory / "validation-report.json").read_text())
    return sorted(
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    )


class Recorder:
    """Replaces Validations and records the acknowledgements."""

    def __init__(self) -> None:
        self.acknowledged: set[tuple[str, str]] = set()
        self._path = ""

    def of(self, construct: IConstruct) -> "Recorder":
        self._path = construct.node.path
        return self

    def acknowledge(self, acknowledgment: Acknowledgment) -> None:
        assert len(acknowledgment.reason or "") > 30
        self.acknowledged.add((acknowledgment.id, self._path))

    def check(self, found: list[tuple[str, str]]) -> None:
        """Check that each finding is acknowledged, and nothing else is."""
        used = {
            (rule, path)
            for rule, path in self.acknowledged
            if any(rule == each and where.startswith(f"{path}/") for each, where in found)
        }
        assert self.acknowledged - used == set()
        left = [
            (each, where)
            for each, where in found
            if not any(each == rule and where.startswith(f"{path}/") for rule, path in used)
        ]
        assert left == []
