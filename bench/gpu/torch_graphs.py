"""What torch makes of the card: bf16, channels last, recorded as CUDA graphs. Prints JSON lines."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
import torchvision  # type: ignore[import-untyped]  # it ships no types

BATCH_SIZES: Final = (1, 4, 16, 64)
_CROP: Final = 224
_CLASS_COUNT: Final = 1000
_RUNS_BEFORE: Final = 5
_SYNCHRONIZED: Final = 20
MEAN: Final = (123.675, 116.28, 103.53)
STD: Final = (58.395, 57.12, 57.375)


def main() -> None:
    """Measure each model in each batch size.

    Arguments: the folder that `models.py` wrote, the seconds of each cell, then architectures.
    """
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    torch.backends.cudnn.benchmark = True
    for architecture in sys.argv[3:]:
        weights = torch.load(folder / architecture / "weights.pth", weights_only=True)
        for size in BATCH_SIZES:
            figures = {
                "resident": _resident(architecture, weights, size, seconds),
                "from_bytes": _from_bytes(architecture, weights, size, seconds),
            }
            print(json.dumps({"model": architecture, "batch": size, **figures}), flush=True)


def load(architecture: str, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """Return a network in bf16 on the GPU, with its channels last."""
    network: torch.nn.Module = torchvision.models.get_model(
        architecture, weights=None, num_classes=_CLASS_COUNT
    )
    network.load_state_dict(weights)
    last = torch.channels_last
    network.eval().to("cuda", torch.bfloat16, memory_format=last)  # type: ignore[call-overload]  # torch types no memory format
    return network


def capture(compute: Callable[[], torch.Tensor]) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
    """Record a computation with inputs in fixed memory; return the graph and its result."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), torch.inference_mode():
        for _ in range(_RUNS_BEFORE):
            compute()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph), torch.inference_mode():
        result = compute()
    return graph, result


def _resident(
    architecture: str, weights: dict[str, torch.Tensor], size: int, seconds: float
) -> float:
    """Return images a second, of inputs that are in the card's memory already."""
    network = load(architecture, weights)
    images = torch.randn(size, 3, _CROP, _CROP, device="cuda", dtype=torch.bfloat16)
    images = images.to(memory_format=torch.channels_last)
    graph, _ = capture(lambda: network(images))
    return _rate(graph.replay, size, seconds)


def _from_bytes(
    architecture: str, weights: dict[str, torch.Tensor], size: int, seconds: float
) -> float:
    """Return images a second, of bytes in the host's pinned memory, with logits back there."""
    network = load(architecture, weights)
    shape = (size, _CROP, _CROP, 3)
    pinned = torch.randint(0, 256, shape, dtype=torch.uint8).pin_memory()
    pixels = pinned.to("cuda")
    mean, std = torch.tensor(MEAN, device="cuda"), torch.tensor(STD, device="cuda")

    def compute() -> torch.Tensor:
        inputs = ((pixels - mean) / std).permute(0, 3, 1, 2).to(torch.bfloat16)
        logits: torch.Tensor = network(inputs).float()
        return logits

    graph, logits = capture(compute)

    def run() -> None:
        pixels.copy_(pinned, non_blocking=True)
        graph.replay()
        logits.cpu()

    return _rate(run, size, seconds)


def _rate(run: Callable[[], None], size: int, seconds: float) -> float:
    run()
    torch.cuda.synchronize()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        for _ in range(_SYNCHRONIZED):
            run()
        torch.cuda.synchronize()
        count += _SYNCHRONIZED
    return size * count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
