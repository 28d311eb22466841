"""The targets of the serving benchmark, each a ratio of figures of the same rounds."""

import statistics
from dataclasses import dataclass
from typing import Final

from bench.report import Target
from bench.results import Figure, Results, ratio
from bench.server import Kind
from bench.servers import PEERS, WHIPPET_FP32, WHIPPET_INT8

IMAGE_SIZE: Final = "500x375"
BUSY_CLIENTS: Final = 16
_TORCHSERVE: Final = "torchserve"
_OURS: Final = WHIPPET_FP32.name
_INT8: Final = WHIPPET_INT8.name


def targets(results: Results, model: str) -> list[Target]:
    """Return the figures of a model's comparison: fp32 and 500x375 unless the name says else."""
    figures = _Figures(results, model)
    torch, torch_title = figures.best("torch")
    openvino, openvino_title = figures.best("openvino")
    best_torch = f"best torch server ({torch_title})"
    busy = f"at {BUSY_CLIENTS} clients"

    def at_least(name: str, value: float | None, **bounds: float) -> Target:
        return Target(name=name, value=value, bound=bounds.get(model), is_minimum=True)

    def at_most(name: str, value: float | None, unit: str = "", **bounds: float) -> Target:
        return Target(name=name, value=value, bound=bounds.get(model), unit=unit)

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
        at_most("memory / TorchServe", figures.memory_ratio(_OURS, _TORCHSERVE), resnet50=1 / 3),
        at_most("first response after start", results.first_response_seconds(_OURS, model), "s",
                resnet50=2.0),
        at_least(f"int8 throughput {busy} / fp32",
                 figures.ratio("throughput", _INT8, _OURS), resnet50=1.5),
        at_least(f"int8 throughput {busy} / {best_torch}",
                 figures.ratio("throughput", _INT8, torch), mobilenet_v2=2.5),
        at_most(f"int8 CPU time of a response {busy} / the engine's own",
                figures.engine_ratio("cpu_ms", _INT8, "int8")),
        at_least(f"int8 throughput {busy} / the engine's limit",
                 figures.engine_ratio("throughput", _INT8, "int8")),
    ]  # fmt: skip


@dataclass
class _Figures:
    results: Results
    model: str

    def best(self, kind: Kind) -> tuple[str, str]:
        """Return name and title of the peer of a kind with the highest throughput when busy."""
        medians = {
            (peer.name, peer.title): statistics.median(by_round.values())
            for peer in PEERS
            if peer.kind == kind and (by_round := self._by_round("throughput", peer.name))
        }
        return max(medians, key=lambda peer: medians[peer], default=("", "none"))

    def ratio(self, figure: Figure, server: str, other: str) -> float | None:
        return ratio(self._by_round(figure, server), self._by_round(figure, other))

    def engine_ratio(self, figure: Figure, server: str, precision: str) -> float | None:
        engine = self.results.engine_by_round(figure, precision, self.model)
        return ratio(self._by_round(figure, server), engine)

    def memory_ratio(self, server: str, other: str) -> float | None:
        own, others = (self.results.memory_bytes(name, self.model) for name in (server, other))
        return own / others if own and others else None

    def _by_round(self, figure: Figure, server: str) -> dict[int, float]:
        client_count = 1 if figure == "p50_ms" else BUSY_CLIENTS
        return self.results.by_round(figure, server, self.model, IMAGE_SIZE, client_count)
