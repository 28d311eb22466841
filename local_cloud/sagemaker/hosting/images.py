"""Finds the model server of a container image, without Docker.

The tag of an image that CDK builds is an asset's hash, and the assembly holds
that asset's build context: the files that the image is built from. The serve.py
in that folder runs instead of the container.
"""

import shutil
from pathlib import Path

from local_cloud.sagemaker.errors import HostingError

_ENTRY = "serve.py"


class Images:
    """The images of one cloud assembly.

    Args:
        assembly: the folder that `cdk synth` writes (`cdk.out`).
        copies: folder for the build contexts of deployed models; the next synthesis may
            remove them from the assembly.
    """

    def __init__(self, assembly: Path, copies: Path) -> None:
        self._assembly = assembly
        self._copies = copies

    def keep(self, image: str) -> None:
        """Copy the image's build context.

        Raises:
            HostingError: the assembly has no build context for the image, and none was copied
                before.
        """
        tag = image.rpartition(":")[2]
        source = self._assembly / f"asset.{tag}"
        copy = self._copies / tag
        if not copy.exists() and (source / _ENTRY).is_file():
            partial = copy.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(source, partial)
            partial.replace(copy)
        self.server(image)

    def server(self, image: str) -> Path:
        """Return the serve.py of an image.

        Raises:
            HostingError: there is no build context for the image.
        """
        tag = image.rpartition(":")[2]
        entry = self._copies / tag / _ENTRY
        if not entry.is_file():
            raise HostingError(
                f"The local cloud has no server for the image {image}: it does not pull images, "
                f"but runs {_ENTRY} from the build context of an image that CDK builds; "
                f"there is no asset.{tag} in {self._assembly}. For a prebuilt image, remove "
                "serving.image_uri from the stage's settings; otherwise deploy from that assembly, "
                "or start the cloud with --assembly."
            )
        return entry
