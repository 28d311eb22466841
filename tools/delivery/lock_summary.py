"""A lock in one line: name, version, accuracy."""

import tomllib

from classifier.artifact.manifest_errors import ManifestError
from classifier.artifact.manifest_parser import parse_manifest
from classifier.artifact.packing import VERSION_LENGTH
from stacks.components.serving.model_lock import LockFiles


def read_summary(files: LockFiles) -> str | None:
    """Return what a lock names, as far as its files can be read; None if there is no lock.

    Args:
        files: the lock's two files.
    """
    try:
        lock = tomllib.loads(files.lock.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return "a lock that cannot be read"
    try:
        manifest = files.manifest.read_text(encoding="utf-8")
    except (OSError, ValueError):
        manifest = ""
    return summarize(lock, manifest)


def summarize(lock: dict[str, object], manifest: str) -> str:
    """Return a model's name, version, number of classes and accuracy on unseen images.

    Args:
        lock: the content of the TOML file.
        manifest: the text of the manifest.
    """
    model = f"{lock.get('name')} {str(lock.get('sha256'))[:VERSION_LENGTH]}"
    try:
        parsed = parse_manifest(manifest)
    except ManifestError:
        return model
    words = [model, f"{len(parsed.labels)} classes"]
    accuracy, images = (parsed.metrics.get(name) for name in ("test_accuracy", "test_images"))
    if isinstance(accuracy, float):
        words.append(f"{accuracy:.1%} of {images} unseen images correct")
    return ", ".join(words)
