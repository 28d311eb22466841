"""Artifacts on this machine, by the version of their model."""

from pathlib import Path

from classifier.artifact.packing import SHA256_FILE, VERSION_LENGTH
from stacks.components.serving.model_choice import MODEL_FOLDER, STORE_FOLDER
from tools.cdk import ROOT


def artifacts_at_hand(version: str | None, named: Path | None) -> list[Path]:
    """Return the folders on this machine that hold a model.

    Args:
        version: the first digits of its archive's sha256; None: not known, so none does.
        named: a folder that the user names, beside `build/model` and `build/store`.
    """
    stored = sorted((ROOT / STORE_FOLDER).glob("*"))
    folders = [*([named] if named else []), ROOT / MODEL_FOLDER, *stored]
    return [folder for folder in folders if version and _version_of(folder) == version]


def _version_of(folder: Path) -> str | None:
    try:
        return (folder / SHA256_FILE).read_text(encoding="utf-8")[:VERSION_LENGTH]
    except OSError:
        return None
