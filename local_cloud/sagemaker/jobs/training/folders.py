"""The folders of one host, laid out as below /opt/ml."""

from dataclasses import dataclass
from pathlib import Path

# The parent of the channels' folders in a container; a submit directory may be named by it.
CONTAINER_DATA = "/opt/ml/input/data/"


@dataclass(frozen=True)
class HostFolders:
    """The folders of one host, laid out as below /opt/ml.

    Attributes:
        root: the host's folder.
        temporary: the program's TMPDIR. Its path is short: a Unix socket's is limited to about 100
            bytes, and those of torch's data loaders lie two folders deeper.
    """

    root: Path
    temporary: Path

    @property
    def code(self) -> Path:
        """The unpacked source archive, and working directory of the program."""
        return self.root / "code"

    @property
    def input(self) -> Path:
        """The parent of the folders of the channels and of the configuration."""
        return self.root / "input"

    @property
    def data(self) -> Path:
        """The parent of the folders of the channels."""
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        """What becomes model.tar.gz."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """The folder with the file `failure`."""
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        """What becomes output.tar.gz."""
        return self.root / "output" / "data"

    @property
    def checkpoints(self) -> Path:
        """The folder that is kept in sync with CheckpointConfig's address."""
        return self.root / "checkpoints"

    def make(self) -> None:
        """Create the folders, but not that of the code."""
        for folder in (
            self.data,
            self.input / "config",
            self.model,
            self.output_data,
            self.checkpoints,
            self.temporary,
        ):
            folder.mkdir(parents=True, exist_ok=True)
