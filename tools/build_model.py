"""`make model`: the artifact in build/model."""

import argparse
import subprocess

from tools.cdk import ROOT
from tools.console import ToolError, run_tool

_PYTHON = ROOT / ".venvs" / "training" / "bin" / "python"
_MODEL_CODE = ROOT / "model_code"
_DEMO = ROOT / "build" / "demo"
# model_code/build.py's exit status where the weights cannot be downloaded.
_NO_WEIGHTS = 3


def main() -> None:
    """Build from pretrained weights, or train the demo where they cannot be downloaded."""
    parser = argparse.ArgumentParser(prog="python -m tools.build_model", description=__doc__)
    parser.add_argument(
        "--architecture", default="resnet50", help="torchvision's name (%(default)s)"
    )
    parser.add_argument("--demo", action="store_true", help="train the digits demo in any case")
    arguments = parser.parse_args()
    output = ("--output", str(ROOT / "build" / "model"))
    if not arguments.demo:
        print(f"… Model: {arguments.architecture} with torchvision's weights", flush=True)
        status = _run("build.py", "--architecture", arguments.architecture, *output)
        if status == 0:
            return
        if status != _NO_WEIGHTS:
            raise ToolError("The model could not be built; the reason is above.")
    print("… Model: the digits demo instead, trained here in about a minute and a half", flush=True)
    data, trained = str(_DEMO / "data"), str(_DEMO / "model")
    for script, *options in (
        ("demo.py", "--output", data),
        ("train.py", "--data", data, "--model-dir", trained, "--preset", "demo"),
        ("build.py", "--trained", trained, *output),
    ):
        if _run(script, *options) != 0:
            raise ToolError(f"model_code/{script} failed; the reason is above.")


def _run(script: str, *options: str) -> int:
    command = [str(_PYTHON), str(_MODEL_CODE / script), *options]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - built here


if __name__ == "__main__":
    run_tool(main)
