"""The targets of small networks: beside mosec, the checkout before, and the engine alone."""

from typing import Final

from bench.figures import BUSY_CLIENTS, Figures
from bench.inputs import PUBLISHED_MODEL
from bench.report import Target, paired
from bench.results import Results
from bench.servers import WHIPPET_FP32, WHIPPET_INT8

_FP32: Final = WHIPPET_FP32.name
_INT8: Final = WHIPPET_INT8.name
_BEFORE_FP32: Final = "before-fp32"
_BEFORE_INT8: Final = "before-int8"
_MOSEC: Final = "mosec-openvino"
_SMALL: Final = frozenset({"mobilenet_v2", PUBLISHED_MODEL})
# Of mosec's throughput, by fp32.
_LEAST_OF_MOSEC: Final = {"resnet50": 1.0} | dict.fromkeys(_SMALL, 1.1)
_MOST_MS_ABOVE_ENGINE: Final = 3.5


def limit_targets(results: Results, model: str) -> list[Target]:
    """Return the figures; those of ResNet-50 have a bound only beside mosec."""
    figures = Figures(results, model)
    busy = f"at {BUSY_CLIENTS} clients"
    is_small = model in _SMALL

    def small(bound: float) -> float | None:
        return bound if is_small else None

    return [
        paired(f"fp32 throughput {busy} / mosec + OpenVINO",
               figures.ratio("throughput", _FP32, _MOSEC),
               _LEAST_OF_MOSEC.get(model), is_minimum=True),
        paired(f"int8 throughput {busy} / before",
               figures.ratio("throughput", _INT8, _BEFORE_INT8), small(1.4), is_minimum=True),
        paired(f"fp32 throughput {busy} / before",
               figures.ratio("throughput", _FP32, _BEFORE_FP32), None),
        paired(f"int8 throughput {busy} / the engine's limit (the goal is 0.6)",
               figures.engine_ratio("throughput", _INT8, "int8"), small(0.5), is_minimum=True),
        *(paired(f"{precision} CPU time of a response {busy} - the engine's own",
                 figures.above_engine("cpu_ms", server, precision),
                 small(_MOST_MS_ABOVE_ENGINE), unit="ms")
          for server, precision in ((_FP32, "fp32"), (_INT8, "int8"))),
        *(paired(f"{precision} p50 at 1 client / before",
                 figures.ratio("p50_ms", server, other), small(1.0))
          for server, other, precision in (
              (_FP32, _BEFORE_FP32, "fp32"), (_INT8, _BEFORE_INT8, "int8"))),
    ]  # fmt: skip
