"""Runs the steps of the workflows as GitHub Actions does, in a clone of this tree."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.git_repository import git
from tests.tree_copy import INSTALLED, copy_parts, share_environments

_PARTS = (
    ".github", "app.py", "cdk.json", "config", "instance_src", "lambda_src", "Makefile",
    "model_code", "package.json", "package-lock.json", "requirements", "requirements.txt",
    "samples", "stacks", "tools", "web",
)  # fmt: skip
_EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")


def clone_tree(clone: Path) -> None:
    """Make a repository of the committed files, which shares this tree's environments."""
    copy_parts(_PARTS, clone)
    (clone / ".gitignore").write_text("/build\n/cdk.out\n" + "".join(f"/{n}\n" for n in INSTALLED))
    share_environments(clone)
    git(clone, "init", "--quiet")


@dataclass
class Job:
    """A job of a workflow in a clone.

    Attributes:
        clone: the folder of the repository.
        workflow: name of the file.
        name: name of the job.
        expressions: the values of what is between `${{` and `}}`.
        environment: what the job's actions have set, such as credentials.
        printed: what each step printed, by its name.
    """

    clone: Path
    workflow: str
    name: str
    expressions: Mapping[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        content = yaml.safe_load((self.clone / ".github/workflows" / self.workflow).read_text())
        self._job: dict[str, Any] = content["jobs"][self.name]

    def scripts(self) -> Iterator[dict[str, Any]]:
        """Yield the steps that run a script."""
        yield from (step for step in self._job["steps"] if "run" in step)

    def commands(self) -> list[str]:
        return [step["run"].strip() for step in self.scripts()]

    def run(self, *, skipping: str | None = None) -> dict[str, str]:
        """Run every script, or all but one that is named; return the outputs of the steps."""
        outputs = self.clone / "build" / "outputs"
        outputs.write_text("")
        for step in self.scripts():
            if step["run"].strip() != skipping:
                self._run(step, outputs)
        return dict(line.split("=", 1) for line in outputs.read_text().splitlines())

    def _run(self, step: Mapping[str, Any], outputs: Path) -> None:
        given = self._job.get("env", {}) | step.get("env", {})
        variables = {key: self._evaluate(str(value)) for key, value in given.items()}
        assert "${{" not in step["run"], "a value in a script could be a command"
        script = self.clone / "build" / "step.sh"
        script.write_text(step["run"])
        ended = subprocess.run(
            ["bash", "-e", str(script)],  # noqa: S607 - the runner's default
            cwd=self.clone,
            env=_runner_environment(outputs) | self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.printed[step["name"]] = ended.stdout
        assert ended.returncode == 0, f"{step['name']}: {ended.stdout}"

    def _evaluate(self, value: str) -> str:
        return _EXPRESSION.sub(lambda found: self.expressions[found[1]], value)


def _runner_environment(outputs: Path) -> dict[str, str]:
    machine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # CloudFormation's validation of the templates has its own test.
    return machine | {"CI": "true", "GITHUB_OUTPUT": str(outputs), "CDK_VALIDATION": "false"}
