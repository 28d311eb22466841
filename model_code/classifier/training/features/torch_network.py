"""Run a network over image files with torch, where OpenVINO is not installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy
import torch

from classifier.artifact.manifest import Preprocessing
from classifier.image.preprocessing import ByteArray, FloatArray, normalisation
from classifier.training.cores import core_count
from classifier.training.errors import NetworkError
from classifier.training.features.extraction import Output, read_crop
from classifier.training.head.graft import LinearHead

BATCH_SIZE: Final = 16


class TorchNetwork:
    """A network on the GPU, or else on all cores, until it is closed.

    Each batch has `BATCH_SIZE` places, the last one too, so that an image at the same place of a
    batch has bitwise the same output in each run.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        preprocessing: Preprocessing,
        *,
        width: int | None = None,
        precision: str = "fp32",
        head: LinearHead | None = None,
    ) -> None:
        """Prepare a network.

        Args:
            network: with its own head.
            preprocessing: of the images.
            width: number of the features, which the own head takes. Without it, the outputs are
                the network's own.
            precision: `fp32` or `bf16`.
            head: to compute on the features; without it, the outputs are the features.

        Raises:
            NetworkError: the network does not end in a linear layer of that width.
        """
        # In fp32 all 32 bits: GPUs would leave out 13 of them.
        torch.backends.cudnn.allow_tf32 = False
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.to(self._device).eval()
        self._preprocessing = preprocessing
        self._autocast = precision == "bf16"
        self._head = head
        self._features: torch.Tensor | None = None
        if width is not None:
            _last_layer(network, width).register_forward_pre_hook(self._keep_features)

    def run(self, paths: Sequence[Path], receive: Callable[[int, Output], None]) -> None:
        """Decode and compute files; call `receive` with each one's place and output, in order."""
        with ThreadPoolExecutor(core_count()) as decoders:
            following = self._decode(decoders, paths[:BATCH_SIZE])
            for begin in range(0, len(paths), BATCH_SIZE):
                decoded = following
                end = begin + BATCH_SIZE
                following = self._decode(decoders, paths[end : end + BATCH_SIZE])
                for place, output in enumerate(self._compute([one.result() for one in decoded])):
                    receive(begin + place, output)

    def close(self) -> None:
        """Do nothing: the garbage collector frees everything."""

    def _decode(
        self, decoders: ThreadPoolExecutor, paths: Sequence[Path]
    ) -> list[Future[ByteArray | str]]:
        return [decoders.submit(read_crop, path, self._preprocessing) for path in paths]

    def _compute(self, crops: Sequence[ByteArray | str]) -> list[Output]:
        side = self._preprocessing.crop
        images = numpy.zeros((BATCH_SIZE, side, side, 3), numpy.uint8)
        for place, crop in enumerate(crops):
            if not isinstance(crop, str):
                images[place] = crop
        values = self._outputs(images)
        return [
            Output(None, crop) if isinstance(crop, str) else Output(values[place], crop=crop)
            for place, crop in enumerate(crops)
        ]

    @torch.inference_mode()
    def _outputs(self, images: ByteArray) -> FloatArray:
        factor, offset = (
            torch.from_numpy(numbers).to(self._device)
            for numbers in normalisation(self._preprocessing)
        )
        batch = torch.from_numpy(images).to(self._device).float() * factor - offset
        # In this format the convolutions of most networks are the fastest.
        batch = batch.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            computed = self._network(batch)
        if self._features is not None:
            computed = self._features
        outputs: FloatArray = computed.float().cpu().numpy()
        return outputs if self._head is None else outputs @ self._head.weights + self._head.bias

    def _keep_features(self, _layer: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        (self._features,) = inputs


def _last_layer(network: torch.nn.Module, width: int) -> torch.nn.Linear:
    layers = [each for each in network.modules() if isinstance(each, torch.nn.Linear)]
    if not layers or layers[-1].in_features != width:
        raise NetworkError(
            "the network does not end in a linear layer, so a head cannot be trained on its "
            "features; choose another backbone, or --mode finetune"
        )
    return layers[-1]
