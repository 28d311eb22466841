"""What the servers are to reach, each a ratio of figures from the same rounds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Final, Literal

from bench.server import Kind
from bench.servers import PEER_SERVERS, WHIPPET_FP32, WHIPPET_INT8
from bench.summary import Figure, Summary, ratio

PICTURE: Final = "500x375"
_BUSY_CLIENTS: Final = 16
_TORCHSERVE: Final = "torchserve"
_OURS: Final = WHIPPET_FP32.name
_INT8: Final = WHIPPET_INT8.name


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure and what it is to be.

    Attributes:
        name: of the figure.
        value: none where a side of it was not measured.
        bound: none where the figure is told without one.
        at_least: whether the bound is the least; else it is the most.
        unit: `s`, or nothing for a ratio.
    """

    name: str
    value: float | None
    bound: float | None
    at_least: bool
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Return `met`, `missed`, `not measured`, or nothing where there is no bound."""
        if self.bound is None:
            return ""
        if self.value is None:
            return "not measured"
        met = self.value >= self.bound if self.at_least else self.value <= self.bound
        return "met" if met else "missed"


@dataclass(frozen=True)
class _Bounds:
    """The least (`*_at_least`) and most of each figure; none is no target."""

    torch_at_least: float | None = None
    torchserve_at_least: float | None = None
    openvino_at_least: float | None = None
    openvino_p50: float | None = None
    torchserve_p50: float | None = None
    engine_cpu: float | None = None
    engine_at_least: float | None = None
    memory: float | None = None
    first_answer_seconds: float | None = None
    int8_at_least: float | None = None
    int8_torch_at_least: float | None = None


_BOUNDS: Final = {
    "resnet50": _Bounds(
        torch_at_least=1.25,
        torchserve_at_least=1.6,
        openvino_at_least=1.0,
        openvino_p50=0.75,
        torchserve_p50=0.5,
        engine_cpu=1.1,
        engine_at_least=0.8,
        memory=1 / 3,
        first_answer_seconds=2.0,
        int8_at_least=1.5,
    ),
    "mobilenet_v2": _Bounds(torch_at_least=2.0, openvino_at_least=1.2, int8_torch_at_least=2.5),
}


def targets(summary: Summary, model: str) -> list[Target]:
    """Return every figure of a model's comparison; fp32 and 500x375 unless its name says else."""
    bounds = _BOUNDS.get(model, _Bounds())
    reader = _Reader(summary, model)
    torch, torch_title = reader.best("torch")
    given, given_title = reader.best("openvino")
    busy = f"at {_BUSY_CLIENTS} clients"

    def least(name: str, value: float | None, bound: float | None) -> Target:
        return Target(name=name, value=value, bound=bound, at_least=True)

    def most(name: str, value: float | None, bound: float | None, unit: str = "") -> Target:
        return Target(name=name, value=value, bound=bound, at_least=False, unit=unit)

    return [
        least(f"throughput {busy} / best torch server ({torch_title})",
              reader.throughput(_OURS, torch), bounds.torch_at_least),
        least(f"throughput {busy} / TorchServe",
              reader.throughput(_OURS, _TORCHSERVE), bounds.torchserve_at_least),
        least(f"throughput {busy} / best server given OpenVINO ({given_title})",
              reader.throughput(_OURS, given), bounds.openvino_at_least),
        most(f"p50 at 1 client / the same server ({given_title})",
             reader.p50(_OURS, given), bounds.openvino_p50),
        most("p50 at 1 client / TorchServe",
             reader.p50(_OURS, _TORCHSERVE), bounds.torchserve_p50),
        most(f"CPU time an answer {busy} / the engine's own",
             reader.engine_share("cpu_ms", _OURS, "fp32"), bounds.engine_cpu),
        least(f"throughput {busy} / the engine's limit",
              reader.engine_share("throughput", _OURS, "fp32"), bounds.engine_at_least),
        most("memory / TorchServe", reader.memory(_OURS, _TORCHSERVE), bounds.memory),
        most("first answer after start", summary.first_answer_seconds(_OURS, model),
             bounds.first_answer_seconds, "s"),
        least(f"int8 throughput {busy} / fp32",
              reader.throughput(_INT8, _OURS), bounds.int8_at_least),
        least(f"int8 throughput {busy} / best torch server ({torch_title})",
              reader.throughput(_INT8, torch), bounds.int8_torch_at_least),
        most(f"int8 CPU time an answer {busy} / the engine's own",
             reader.engine_share("cpu_ms", _INT8, "int8"), None),
        least(f"int8 throughput {busy} / the engine's limit",
              reader.engine_share("throughput", _INT8, "int8"), None),
    ]  # fmt: skip


class _Reader:
    def __init__(self, summary: Summary, model: str) -> None:
        self._summary = summary
        self._model = model

    def best(self, kind: Kind) -> tuple[str, str]:
        """Return name and title of the peer of a kind that answers most when busy."""
        figures = {
            (peer.name, peer.title): statistics.median(values.values())
            for peer in PEER_SERVERS
            if peer.kind == kind and (values := self._figures("throughput", peer.name))
        }
        if not figures:
            return "", "none"
        return max(figures, key=lambda peer: figures[peer])

    def throughput(self, server: str, other: str) -> float | None:
        return ratio(self._figures("throughput", server), self._figures("throughput", other))

    def p50(self, server: str, other: str) -> float | None:
        return ratio(self._figures("p50_ms", server), self._figures("p50_ms", other))

    def engine_share(
        self, figure: Literal["throughput", "cpu_ms"], server: str, precision: str
    ) -> float | None:
        engine = self._summary.engine(precision, self._model)
        limit = {key: float(getattr(sample, figure)) for key, sample in engine.items()}
        return ratio(self._figures(figure, server), limit)

    def memory(self, server: str, other: str) -> float | None:
        own = self._summary.memory_bytes(server, self._model)
        others = self._summary.memory_bytes(other, self._model)
        return own / others if own and others else None

    def _figures(self, figure: Figure, server: str) -> dict[int, float]:
        clients = 1 if figure == "p50_ms" else _BUSY_CLIENTS
        return self._summary.by_round(figure, server, self._model, PICTURE, clients)
