"""The targets of small networks: of figures of the same rounds."""

from typing import Any

import pytest

from bench.limit_targets import limit_targets
from bench.report import Target
from bench.results import CellSample, EngineSample, Results

# In each of three rounds; the machine is slower in the last one.
SPEED = (1.0, 2.0, 0.5)
THROUGHPUT = {
    "whippet-fp32": 240.0,
    "whippet-int8": 400.0,
    "before-fp32": 200.0,
    "before-int8": 250.0,
    "mosec-openvino": 200.0,
}


def _cells(server: str, model: str, **others: Any) -> list[CellSample]:
    return [
        CellSample(
            server=server,
            model=model,
            image_size="500x375",
            client_count=clients,
            round=number,
            throughput=THROUGHPUT[server] * speed / (1 if clients == 16 else 2),
            latencies_ms=[1000 / THROUGHPUT[server] / speed],
            cpu_ms=others.get("cpu_ms", 5.0) + number,
            client_cpu_ms=0.1,
            counts={"200": 1},
        )
        for number, speed in enumerate(SPEED)
        for clients in (1, 16)
    ]


def _results(model: str, servers: tuple[str, ...] = tuple(THROUGHPUT), **others: Any) -> Results:
    engine = [
        EngineSample(
            precision=precision,
            model=model,
            round=number,
            throughput=throughput * speed,
            cpu_ms=2.0,
            p50_ms=1.0,
        )
        for number, speed in enumerate(SPEED)
        for precision, throughput in (("fp32", 300.0), ("int8", 1000.0))
    ]
    cells = [cell for server in servers for cell in _cells(server, model, **others)]
    return Results(machine={}, options={}, servers=[], cells=cells, engine=engine)


def _row(targets: list[Target], name: str) -> list[str]:
    (found,) = [target for target in targets if target.name.startswith(name)]
    return found.row()[1:]


@pytest.mark.parametrize("model", ["mobilenet_v2", "efficientnet_lite0"])
def test_small_networks_have_every_bound(model: str) -> None:
    found = limit_targets(_results(model), model)
    # Equal in every round, though the machine was not.
    assert _row(found, "fp32 throughput at 16 clients / mosec") == ["1.20", "≥ 1.10", "met"]
    assert _row(found, "int8 throughput at 16 clients / before") == ["1.60", "≥ 1.40", "met"]
    assert _row(found, "fp32 throughput at 16 clients / before") == ["1.20", "", ""]
    assert _row(found, "int8 throughput at 16 clients / the eng") == ["0.40", "≥ 0.50", "missed"]
    for precision in ("fp32", "int8"):
        row = _row(found, f"{precision} CPU time of a response")
        assert row == ["4.00 ms (3.00 to 5.00)", "≤ 3.50 ms", "missed"]
    assert _row(found, "fp32 p50 at 1 client / before") == ["0.83", "≤ 1.00", "met"]
    assert _row(found, "int8 p50 at 1 client / before") == ["0.62", "≤ 1.00", "met"]


def test_resnet50_has_a_bound_beside_mosec_alone() -> None:
    found = limit_targets(_results("resnet50"), "resnet50")
    assert _row(found, "fp32 throughput at 16 clients / mosec") == ["1.20", "≥ 1.00", "met"]
    assert [target.bound for target in found].count(None) == len(found) - 1


def test_without_the_checkout_before_its_targets_are_not_measured() -> None:
    results = _results("mobilenet_v2", ("whippet-fp32", "whippet-int8", "mosec-openvino"))
    found = limit_targets(results, "mobilenet_v2")
    verdicts = {target.name: target.verdict for target in found if "before" in target.name}
    assert sorted(verdicts.values()) == ["", "not measured", "not measured", "not measured"]
