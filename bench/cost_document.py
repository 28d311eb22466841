"""docs/benchmarks/cost.md, from what a run measured and the dated prices."""

import itertools
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.report import heading, table
from bench.results import Results
from bench.servers import WHIPPET_FP32, WHIPPET_INT8
from tools.prices import INSTANCE_HOUR, REGION, Price

BF16: Final = "bf16"
_SECONDS_AN_HOUR: Final = 3600
_VCPUS_BY_SIZE: Final = {"large": 2, "xlarge": 4}
# NVIDIA GPUs: nothing that is measured on a CPU says how fast these are.
_GPU_FAMILIES: Final = frozenset({"g4dn", "g5"})
# Whose every processor has VNNI, without which int8 is no faster. m5 and c5 have several.
_FAMILIES_WITH_VNNI: Final = frozenset({"c6i", "m6i"})
_SERVERS: Final = {"fp32": WHIPPET_FP32.name, "int8": WHIPPET_INT8.name}

_HOW: Final = """
`measured` is the model server on this machine, with 16 clients and a photo of 500 x 375 pixels as
JPEG, the median of {rounds} rounds; where these are far apart, other programs took a part of the
processor, and the CPU time of a response says more. ResNet-50 and MobileNetV2 have seeded weights,
and EfficientNet-Lite0 its published ones; the speed does not depend on them.

`not measured` is int8 where the build's check left it out, and bf16 on a processor without it.
`estimate` is not measured either:

- bf16: the server computes in it only if a build's check allowed it, which needs trained weights
  and images. The CPU time of a response is that in fp32, less OpenVINO's own for an image in fp32,
  plus its own in bf16, both measured without the server; responses a second grow as the CPU time
  shrinks. None of the instance types below has bf16 units.
- Instance types: as many responses a second for each vCPU as for each core here, an upper bound
  for a type whose processor is older than this one; `make load` measures an endpoint. int8 is
  shown where every processor of the type has VNNI.

Images a US dollar are at full load, of instance hours in {region} alone: at half the load, half as
many. A price without a date is not verified.
"""
_GPU_TYPES: Final = """
GPU types are not in the table: their speed was not measured (`python -m bench.gpu` measures it).
"""


def write_cost_document(results: Results, path: Path) -> None:
    """Write the document."""
    how = _HOW.format(rounds=results.options["rounds"], region=REGION)
    measured = list(_measured(results))
    text = [
        heading("What a response costs", "python -m bench.cost", results.machine),
        how,
        "## This machine\n",
        table(
            ["model", "precision", "responses/s", "of the rounds", "CPU ms a response", ""],
            _rows(results, measured),
        ),
        "## Instance types (estimate)\n",
        table(
            ["instance type", "US dollars an hour", "model", "precision", "responses/s",
             "images a US dollar"],
            _estimates(measured, results),
        ),
        _GPU_TYPES,
    ]  # fmt: skip
    path.write_text("\n".join(text))


# Model, precision, responses a second, CPU milliseconds of one, how they are known.
_Row = tuple[str, str, float, float, str]


def _measured(results: Results) -> Iterator[_Row]:
    (image_size,), (client_count,) = (
        results.options["image_sizes"],
        results.options["client_counts"],
    )
    for model in results.options["models"]:
        for precision, server in _SERVERS.items():
            cell = results.cell(server, model, image_size, client_count)
            if cell is None:
                continue
            yield model, precision, cell.throughput, cell.cpu_ms, "measured"
            if precision != "fp32":
                continue
            own, in_bf16 = (_engine_cpu_ms(results, model, each) for each in ("fp32", BF16))
            if own is not None and in_bf16 is not None:
                cpu_ms = cell.cpu_ms - own + in_bf16
                yield model, BF16, cell.throughput * cell.cpu_ms / cpu_ms, cpu_ms, "estimate"


def _rows(results: Results, measured: list[_Row]) -> Iterator[list[str]]:
    found = {row[:2]: row for row in measured}
    for key in itertools.product(results.options["models"], ("fp32", BF16, "int8")):
        if key in found:
            _, _, rate, cpu_ms, known = found[key]
            yield [*key, f"{rate:.0f}", _range(results, *key), f"{cpu_ms:.1f}", known]
        else:
            yield [*key, "", "", "", "not measured"]


def _range(results: Results, model: str, precision: str) -> str:
    """Return the least and the most responses a second of a round."""
    if precision not in _SERVERS:
        return ""
    (image_size,), (client_count,) = (
        results.options["image_sizes"],
        results.options["client_counts"],
    )
    server = _SERVERS[precision]
    by_round = results.by_round("throughput", server, model, image_size, client_count)
    return f"{min(by_round.values()):.0f} to {max(by_round.values()):.0f}"


def _engine_cpu_ms(results: Results, model: str, precision: str) -> float | None:
    by_round = results.engine_by_round("cpu_ms", precision, model)
    return statistics.median(by_round.values()) if by_round else None


def _estimates(measured: list[_Row], results: Results) -> Iterator[list[str]]:
    cores = int(results.machine["cores"].split()[0])
    for name, price in INSTANCE_HOUR.items():
        _, family, size = name.split(".")
        if family in _GPU_FAMILIES:
            continue
        for model, precision, rate, _, known in measured:
            if known != "measured" or (precision == "int8" and family not in _FAMILIES_WITH_VNNI):
                continue
            estimate = rate * _VCPUS_BY_SIZE[size] / cores
            millions = estimate * _SECONDS_AN_HOUR / price.dollars / 1e6
            row = [model, precision, f"{estimate:.0f}", f"{millions:.1f} million"]
            yield [name, _described(price), *row]


def _described(price: Price) -> str:
    return f"{price.dollars:g} ({price.as_of or 'not verified'})"
