"""The targets of the serving benchmark, each a ratio of figures of the same rounds."""

from typing import Final

from bench.figures import BUSY_CLIENTS, Figures
from bench.report import Target, paired
from bench.results import Results
from bench.servers import WHIPPET_FP32, WHIPPET_INT8
from bench.spread import Spread

_TORCHSERVE: Final = "torchserve"
_OURS: Final = WHIPPET_FP32.name
_INT8: Final = WHIPPET_INT8.name


def targets(results: Results, model: str) -> list[Target]:
    """Return the figures of a model's comparison: fp32 and 500x375 unless the name says else."""
    figures = Figures(results, model)
    torch, torch_title = figures.best("torch")
    openvino, openvino_title = figures.best("openvino")
    best_torch = f"best torch server ({torch_title})"
    busy = f"at {BUSY_CLIENTS} clients"

    def at_least(name: str, value: Spread | None, **bounds: float) -> Target:
        return paired(name, value, bounds.get(model), is_minimum=True)

    def at_most(name: str, value: Spread | None, **bounds: float) -> Target:
        return paired(name, value, bounds.get(model))

    return [
        at_least(f"throughput {busy} / {best_torch}",
                 figures.ratio("throughput", _OURS, torch), resnet50=1.25, mobilenet_v2=2.0),
        at_least(f"throughput {busy} / TorchServe",
                 figures.ratio("throughput", _OURS, _TORCHSERVE), resnet50=1.6),
        at_least(f"throughput {busy} / best server with OpenVINO ({openvino_title})",
                 figures.ratio("throughput", _OURS, openvino), resnet50=1.0, mobilenet_v2=1.2),
        at_most(f"p50 at 1 client / the same server ({openvino_title})",
                figures.ratio("p50_ms", _OURS, openvino), resnet50=0.75),
        at_most("p50 at 1 client / TorchServe",
                figures.ratio("p50_ms", _OURS, _TORCHSERVE), resnet50=0.5),
        at_most(f"CPU time of a response {busy} / the engine's own",
                figures.engine_ratio("cpu_ms", _OURS, "fp32"), resnet50=1.1),
        at_least(f"throughput {busy} / the engine's limit",
                 figures.engine_ratio("throughput", _OURS, "fp32"), resnet50=0.8),
        Target(name="memory / TorchServe", value=figures.memory_ratio(_OURS, _TORCHSERVE),
               bound=1 / 3 if model == "resnet50" else None),
        Target(name="first response after start",
               value=results.first_response_seconds(_OURS, model),
               bound=2.0 if model == "resnet50" else None, unit="s"),
        at_least(f"int8 throughput {busy} / fp32",
                 figures.ratio("throughput", _INT8, _OURS), resnet50=1.5),
        at_least(f"int8 throughput {busy} / {best_torch}",
                 figures.ratio("throughput", _INT8, torch), mobilenet_v2=2.5),
        at_most(f"int8 CPU time of a response {busy} / the engine's own",
                figures.engine_ratio("cpu_ms", _INT8, "int8")),
        at_least(f"int8 throughput {busy} / the engine's limit",
                 figures.engine_ratio("throughput", _INT8, "int8")),
    ]  # fmt: skip
