"""Sample images of an artifact: held-back photos beside the manifest, to try the model with.

They are files of `samples/`, in the folder of the artifact and in its archive. The manifest does
not name them, because no prediction depends on them. The server does not read them.
"""

from __future__ import annotations

import re
import stat
import unicodedata
from pathlib import Path
from typing import Final

from classifier.artifact.directory import ArtifactError

SAMPLE_FOLDER: Final = "samples"
MAX_SAMPLES: Final = 24
# 512 pixels of noise, with the quality that train.py writes, take 300 KB.
MAX_SAMPLE_BYTES: Final = 1 << 20
_MAX_SLUG_LENGTH: Final = 40
_NAME: Final = re.compile(
    rf"{SAMPLE_FOLDER}/[0-9]{{2}}-(?=.{{1,{_MAX_SLUG_LENGTH}}}\.)[a-z0-9]+(?:-[a-z0-9]+)*\.jpg"
)


def sample_name(number: int, label: str, index: int) -> str:
    """Return the name of a sample, such as `samples/03-ankle-boot.jpg`.

    Args:
        number: of the sample, from 1 to `MAX_SAMPLES`.
        label: of its class; what is no letter or digit of ASCII becomes a hyphen.
        index: of its class, which stands for a label without any of these: `03-class-17.jpg`.
    """
    letters = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", letters)[:_MAX_SLUG_LENGTH].strip("-")
    return f"{SAMPLE_FOLDER}/{number:02}-{slug or f'class-{index}'}.jpg"


def is_sample_name(name: str) -> bool:
    """Return whether a member of an archive has the name of a sample."""
    return _NAME.fullmatch(name) is not None


def find_samples(directory: Path) -> list[str]:
    """Return the names of the samples of an artifact, sorted; none where it has no such folder.

    Raises:
        ArtifactError: the folder holds anything else, more than `MAX_SAMPLES`, or one of more than
            `MAX_SAMPLE_BYTES`.
    """
    folder = directory / SAMPLE_FOLDER
    # Of the link itself: what it leads to is not in the artifact.
    if not folder.is_symlink() and not folder.exists():
        return []
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise ArtifactError(f"{folder} is no folder; delete it, or train again")
        names = sorted(f"{SAMPLE_FOLDER}/{path.name}" for path in folder.iterdir())
        for name in names:
            status = (directory / name).lstat()
            is_plain = stat.S_ISREG(status.st_mode) and status.st_size <= MAX_SAMPLE_BYTES
            if not is_plain or not is_sample_name(name):
                raise ArtifactError(
                    f"{directory / name} is no sample image: expected files named as "
                    f"01-label.jpg, of at most {MAX_SAMPLE_BYTES >> 20} MiB; delete it"
                )
    except OSError as error:
        raise ArtifactError(f"{folder} cannot be read: {error.strerror}") from error
    if len(names) > MAX_SAMPLES:
        raise ArtifactError(f"{folder} holds {len(names)} files, expected at most {MAX_SAMPLES}")
    return names
