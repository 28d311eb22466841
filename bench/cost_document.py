"""docs/benchmarks/cost.md, from what a run measured and the dated prices."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from bench.report import heading, table
from bench.results import Results
from bench.servers import WHIPPET_BF16, WHIPPET_FP32, WHIPPET_INT8
from tools.prices import INSTANCE_HOUR, REGION, Price

_SECONDS_AN_HOUR: Final = 3600
_VCPUS_BY_SIZE: Final = {"large": 2, "xlarge": 4}
# NVIDIA GPUs.
_GPU_FAMILIES: Final = frozenset({"g4dn", "g5"})
# Whose every processor has VNNI, without which int8 is no faster. m5 and c5 have several.
_FAMILIES_WITH_VNNI: Final = frozenset({"c6i", "m6i", "c7i", "m7i"})
# Shown for bf16, which no type with a price in tools/prices.py has.
_TYPES_WITHOUT_PRICE: Final = ("ml.c7i.large", "ml.m7i.large")
_FAMILIES_WITH_BF16: Final = frozenset({"c7i", "m7i"})
_SERVERS: Final = {
    "fp32": WHIPPET_FP32.name,
    "bf16": WHIPPET_BF16.name,
    "int8": WHIPPET_INT8.name,
}

_HOW: Final = """
`measured` is the model server on this machine, with 16 clients and a photo of 500 x 375 pixels as
JPEG, the median of {rounds} rounds; where these are far apart, other programs took a part of the
processor, and the CPU time of a response says more. ResNet-50 and MobileNetV2 have seeded weights,
and EfficientNet-Lite0 its published ones; the speed does not depend on them.

`not measured` is int8 or bf16 where the build's check left it out, and bf16 on a processor without
it. An instance type's figures are estimates: as many responses a second for each vCPU as for each
core here, an upper bound for a type whose processor is older than this one; `make load` measures
an endpoint. int8 is shown where every processor of the type has VNNI, and bf16 where every one has
bf16 units. Nothing that was measured on a CPU says how fast a GPU is: `python -m bench.gpu`
measures one.

Images a US dollar are at full load, of instance hours in {region} alone: at half the load, half as
many. A price without a date is not verified; where no price was found, there is none.
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
    ]  # fmt: skip
    path.write_text("\n".join(text))


class _Row(NamedTuple):
    """What was measured; responses a second are the median, the least and the most of a round."""

    model: str
    precision: str
    rate: float
    least: float
    most: float
    cpu_ms: float


def _measured(results: Results) -> Iterator[_Row]:
    (size,), (count,) = (results.options[name] for name in ("image_sizes", "client_counts"))
    for model, (precision, server) in itertools.product(
        results.options["models"], _SERVERS.items()
    ):
        if cell := results.cell(server, model, size, count):
            rates = results.by_round("throughput", server, model, size, count).values()
            yield _Row(model, precision, cell.throughput, min(rates), max(rates), cell.cpu_ms)


def _rows(results: Results, measured: list[_Row]) -> Iterator[list[str]]:
    found = {row[:2]: row for row in measured}
    for key in itertools.product(results.options["models"], _SERVERS):
        if row := found.get(key):
            rounds = f"{row.least:.0f} to {row.most:.0f}"
            yield [*key, f"{row.rate:.0f}", rounds, f"{row.cpu_ms:.1f}", "measured"]
        else:
            yield [*key, "", "", "", "not measured"]


def _estimates(measured: list[_Row], results: Results) -> Iterator[list[str]]:
    cores = int(results.machine["cores"].split()[0])
    prices: dict[str, Price | None] = dict.fromkeys(_TYPES_WITHOUT_PRICE)
    for name, price in (INSTANCE_HOUR | prices).items():
        _, family, size = name.split(".")
        described = "not known" if price is None else _described(price)
        if family in _GPU_FAMILIES:
            yield [name, described, "all", "all", "not measured", "not measured"]
            continue
        for row in measured:
            if not _computes(family, row.precision) or (price is None and row.precision != "bf16"):
                continue
            rate = row.rate * _VCPUS_BY_SIZE[size] / cores
            images = "not known"
            if price is not None:
                images = f"{rate * _SECONDS_AN_HOUR / price.dollars / 1e6:.1f} million"
            yield [name, described, row.model, row.precision, f"{rate:.0f}", images]


def _computes(family: str, precision: str) -> bool:
    families = {"int8": _FAMILIES_WITH_VNNI, "bf16": _FAMILIES_WITH_BF16}
    return precision not in families or family in families[precision]


def _described(price: Price) -> str:
    return f"{price.dollars:g} ({price.as_of or 'not verified'})"
