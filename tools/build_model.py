"""`make model`: the artifact in build/model."""

import argparse
import shutil
import subprocess
from pathlib import Path

from tools.cdk import ROOT
from tools.console import ToolError, run_tool

_PYTHON = ROOT / ".venvs" / "training" / "bin" / "python"
_MODEL_CODE = ROOT / "model_code"
_DEMO = ROOT / "build" / "demo"
# model_code/build.py's exit status where the weights cannot be downloaded.
_NO_WEIGHTS = 3
_EPILOG = (
    "An int8 network needs pictures to calibrate and to judge it: `.venvs/training/bin/python "
    "model_code/build.py --architecture resnet50 --quantize --calibration FOLDER` builds the same "
    "model with one, if it answers like fp32. The demo has one."
)


def main() -> None:
    """Build from pretrained weights, or take the demo where they cannot be downloaded."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_model", description=__doc__, epilog=_EPILOG
    )
    parser.add_argument(
        "--architecture", default="resnet50", help="torchvision's name (%(default)s)"
    )
    parser.add_argument(
        "--demo", action="store_true", help="train the digits demo alone, into build/demo/artifact"
    )
    arguments = parser.parse_args()
    if arguments.demo:
        build_demo()
    elif not build_pretrained(arguments.architecture, ROOT / "build" / "model"):
        print("  The digits demo is deployed instead.", flush=True)
        if not (_DEMO / "artifact" / "manifest.json").exists():
            build_demo()
        shutil.copytree(_DEMO / "artifact", ROOT / "build" / "model", dirs_exist_ok=True)


def build_pretrained(architecture: str, output: Path) -> bool:
    """Build the artifact of a pretrained network; return False if its weights cannot be had.

    Raises:
        ToolError: it could not be built for another reason.
    """
    print(f"… Model: {architecture} with torchvision's published weights", flush=True)
    status = _run("build.py", "--architecture", architecture, "--output", str(output))
    if status not in {0, _NO_WEIGHTS}:
        raise ToolError("The model could not be built; the reason is above.")
    return status == 0


def build_demo() -> None:
    """Write the digits as pictures, train on them and pack the artifact.

    Raises:
        ToolError: one of the programs failed.
    """
    print("… Demo: a network trained on handwritten digits, about a minute", flush=True)
    data, trained = str(_DEMO / "data"), str(_DEMO / "model")
    for script, *options in (
        ("demo.py", "--output", data),
        ("train.py", "--preset", "demo", "--data", data, "--model-dir", trained,
         "--output-dir", str(_DEMO / "output")),
        ("build.py", "--trained", trained, "--output", str(_DEMO / "artifact")),
    ):  # fmt: skip
        if _run(script, *options) != 0:
            raise ToolError(f"model_code/{script} failed; the reason is above.")


def _run(script: str, *options: str) -> int:
    command = [str(_PYTHON), str(_MODEL_CODE / script), *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - built here


if __name__ == "__main__":
    run_tool(main)
