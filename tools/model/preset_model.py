"""The model that `make up PRESET=...` deploys, built if there is none."""

from pathlib import Path
from typing import Final

from classifier.artifact.manifest import Manifest
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.delivery.lock_file import find_lock
from tools.make_variables import MakeParser
from tools.model import build
from tools.model.default_models import (
    MOBILENET_V2_URL,
    MODEL_FOLDER,
    DefaultModel,
    are_weights_in_reach,
    default_model_of,
    find_outdated_model,
    is_in_reach,
    read_manifest,
)
from tools.paths import short_path

BREEDS: Final = 133
DRAWINGS_MODEL: Final = ROOT / "build" / "drawings" / "artifact"
MOBILENET_MODEL: Final = ROOT / "build" / "mobilenet_v2"
_OF_BREEDS: Final = ("dogs", "dogs-scaled", "notebook")
_RESNET50: Final = "resnet50"
_SERVERLESS: Final = "mobilenet-serverless"
_MOBILENET_V2: Final = "mobilenet_v2"
_CACHE: Final = ROOT / "build"
_PYTHON: Final = ROOT / ".venvs" / "training" / "bin" / "python"
_MISSING: Final = 1


def main() -> int:
    """Build the preset's model if it is missing; with --check return 1 then."""
    parser = MakeParser(
        variables={"--preset": "PRESET"},
        prog="python -m tools.model.preset_model",
        description=__doc__,
    )
    parser.add_argument("--preset", required=True, help="file of config/presets/")
    parser.add_argument(
        "--check", action="store_true", help="build nothing; exit with 1 if there is no model"
    )
    arguments = parser.parse()
    if find_lock("local") is not None:
        return 0
    mobilenet = arguments.preset == _SERVERLESS and _can_build_mobilenet()
    if not mobilenet and _is_usable(model_of_preset(arguments.preset)):
        return 0
    if arguments.check:
        return _MISSING
    if arguments.preset in _OF_BREEDS:
        train_drawings(DRAWINGS_MODEL, _CACHE)
    elif not (mobilenet and _build_mobilenet()):
        build.build_default()
    return 0


def model_of_preset(preset: str | None) -> Path:
    """Return the folder of the model to deploy, which need not exist yet.

    Of the presets with 133 breeds of dogs: `build/model` if it has as many classes, or else a head
    that is trained on drawings of 133 classes. Of the one with MobileNetV2: that network, if it
    could be built and `build/model` has no model of the user's own.
    """
    if preset == _SERVERLESS:
        is_built = _is_usable(MOBILENET_MODEL) and not _has_own_model()
        return MOBILENET_MODEL if is_built else MODEL_FOLDER
    if preset not in _OF_BREEDS or not _is_usable(MODEL_FOLDER):
        return DRAWINGS_MODEL if preset in _OF_BREEDS else MODEL_FOLDER
    return MODEL_FOLDER if len(read_manifest(MODEL_FOLDER).labels) == BREEDS else DRAWINGS_MODEL


def describe_substitute(preset: str | None, folder: Path, manifest: Manifest) -> str | None:
    """Return a note if the deployed model is not what the preset's system had.

    Args:
        preset: of the deployment, if any.
        folder: of the deployed artifact.
        manifest: of the deployed artifact.
    """
    if preset is None:
        return None
    is_other_network = manifest.architecture != _RESNET50
    if preset in _OF_BREEDS and folder == DRAWINGS_MODEL:
        reason = ", as ResNet-50's published weights were not in reach" if is_other_network else ""
        return (
            f"{short_path(MODEL_FOLDER)} has no model with {BREEDS} classes. A head on "
            f"{manifest.architecture} serves{reason}; it was trained on drawings of {BREEDS} "
            "classes and knows no dogs. `make train DATA=<folder of dogs> BACKBONE=resnet50` "
            "trains on yours."
        )
    if preset == _RESNET50 and is_other_network:
        return (
            f"{manifest.architecture} serves and not ResNet-50, whose published weights were not "
            "in reach when the model was built. `make model UPGRADE=1` tries again."
        )
    if preset == _SERVERLESS and manifest.architecture != _MOBILENET_V2:
        if default_model_of(manifest) is None:
            return (
                f"{short_path(folder)} has a model of your own, which serves and not MobileNetV2. "
                f"Without it `make up PRESET={_SERVERLESS}` builds that one."
            )
        return (
            f"{manifest.architecture} serves and not MobileNetV2, whose published weights were not "
            f"in reach. The next `make up PRESET={_SERVERLESS}` tries again."
        )
    return None


def _has_own_model() -> bool:
    """Whether `build/model` has a model that `make model` did not build."""
    return _is_usable(MODEL_FOLDER) and default_model_of(read_manifest(MODEL_FOLDER)) is None


def _can_build_mobilenet() -> bool:
    """Whether MobileNetV2 is wanted, not there and can probably be built."""
    if _is_usable(MOBILENET_MODEL) or _has_own_model():
        return False
    return are_weights_in_reach(MOBILENET_V2_URL)


def _build_mobilenet() -> bool:
    """Build MobileNetV2; return False if its weights could not be downloaded.

    Raises:
        ToolError: the build failed for another reason.
    """
    print("… Model: MobileNetV2 with torchvision's weights (14 MB to download)", flush=True)
    status = build.run_script(
        "build.py", "--architecture", _MOBILENET_V2, "--output", str(MOBILENET_MODEL)
    )
    if status not in {0, build.NO_WEIGHTS}:
        raise ToolError("model_code/build.py failed; the reason is above.")
    return status == 0


def _is_usable(folder: Path) -> bool:
    return (folder / "manifest.json").exists() and find_outdated_model(folder) is None


def train_drawings(artifact: Path, cache: Path) -> None:
    """Draw images of 133 classes, train a head on them and pack the artifact.

    Args:
        artifact: folder to write; the drawings and the head go into folders beside it.
        cache: has the exported networks and the features of images that were seen before.

    Raises:
        ToolError: one of the programs failed.
    """
    data, trained, output = (artifact.parent / name for name in ("data", "model", "output"))
    # Not downloaded in the middle of a training that then fails.
    reachable = is_in_reach(DefaultModel.RESNET50, _PYTHON)
    architecture = _RESNET50 if reachable else "efficientnet_lite0"
    print(
        f"… Model: a head on {architecture}, trained on drawings of {BREEDS} classes "
        "(up to 3 minutes)",
        flush=True,
    )
    for script, *options in (
        ("drawings.py", "--output", str(data), "--classes", str(BREEDS)),
        ("train.py", "--mode", "head", "--architecture", architecture, "--name", "drawings",
         "--data", str(data), "--model-dir", str(trained), "--report", "false",
         "--output-dir", str(output), "--cache-dir", str(cache)),
        ("build.py", "--trained", str(trained), "--output", str(artifact)),
    ):  # fmt: skip
        if build.run_script(script, *options):
            raise ToolError(f"model_code/{script} failed; the reason is above.")


if __name__ == "__main__":
    run_tool(main)
