"""The interface of the engines, which run a network on CPU or GPU."""

from __future__ import annotations

from typing import Final, Protocol

from classifier.image.preprocessing import ByteArray, FloatArray

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "logits"


class EngineError(Exception):
    """The network cannot be loaded or does not fit its manifest; the message is one line."""


class Engine(Protocol):
    """A network, loaded by the constructor."""

    @property
    def capacity(self) -> int:
        """Number of concurrent `infer` calls that keep the engine busy; further calls wait."""
        ...

    def warm_up(self) -> FloatArray:
        """Compute a black image on every stream or batch size, so that no request is slowed by it.

        Blocks; call it before the event loop runs.

        Returns:
            The output (classes) of the black image.

        Raises:
            EngineError: the output is not finite.
        """
        ...

    async def infer(self, crop: ByteArray, *, is_alone: bool = False) -> FloatArray:
        """Return the output (classes) of one image (crop x crop x 3, as `crop_image` makes it).

        May be cancelled; a computation that has started is finished and its result discarded.

        Args:
            crop: the image.
            is_alone: whether the server has no other image in flight, so that an engine may use
                the whole machine for this one.
        """
        ...

    def close(self) -> None:
        """Free the engine's resources; no `infer` may be running or follow."""
        ...


def check_ports(inputs: list[str], outputs: list[str]) -> None:
    """Check the names of a network's inputs and outputs.

    Raises:
        EngineError: not the names of a classifier that `training.export` wrote.
    """
    if (inputs, outputs) != ([INPUT_NAME], [OUTPUT_NAME]):
        raise EngineError(
            f"the network has inputs {inputs} and outputs {outputs}; "
            f"a classifier has ['{INPUT_NAME}'] and ['{OUTPUT_NAME}']"
        )
