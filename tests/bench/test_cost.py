"""The document of costs: what was measured, what is an estimate, and by which rule."""

import json
from pathlib import Path

import pytest

from bench import cost
from bench.cost_document import write_cost_document
from bench.results import CellSample, Results
from tools.prices import INSTANCE_HOUR

MODELS = ["efficientnet_lite0", "resnet50"]


def _cell(server: str, model: str, throughput: float, cpu_ms: float, number: int = 0) -> CellSample:
    return CellSample(
        server=server,
        model=model,
        image_size="500x375",
        client_count=16,
        round=number,
        throughput=throughput,
        latencies_ms=[10.0],
        cpu_ms=cpu_ms,
        client_cpu_ms=0.2,
        counts={"200": 1},
    )


@pytest.fixture
def results() -> Results:
    return Results(
        machine={"date": "2026-11-27", "processor": "a processor", "cores": "4 cores"},
        options={
            "models": MODELS,
            "image_sizes": ["500x375"],
            "client_counts": [16],
            "rounds": 3,
            "seconds": 1.0,
        },
        servers=[],
        cells=[
            _cell("whippet-fp32", "resnet50", 60.0, 70.0),
            _cell("whippet-fp32", "resnet50", 50.0, 70.0, number=1),
            _cell("whippet-fp32", "resnet50", 90.0, 70.0, number=2),
            _cell("whippet-int8", "resnet50", 200.0, 12.0),
            _cell("whippet-bf16", "resnet50", 120.0, 35.0),
            # No int8: its build left it out.
            _cell("whippet-fp32", "efficientnet_lite0", 300.0, 12.0),
        ],
    )


def _rows(path: Path) -> list[list[str]]:
    lines = path.read_text().splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]


def test_what_is_measured_is_told_from_estimates(results: Results, tmp_path: Path) -> None:
    write_cost_document(results, tmp_path / "cost.md")
    rows = _rows(tmp_path / "cost.md")
    assert ["resnet50", "fp32", "60", "50 to 90", "70.0", "measured"] in rows
    assert ["resnet50", "bf16", "120", "120 to 120", "35.0", "measured"] in rows
    assert ["resnet50", "int8", "200", "200 to 200", "12.0", "measured"] in rows
    assert ["efficientnet_lite0", "int8", "", "", "", "not measured"] in rows
    assert "2026-11-27, a processor, 4 cores." in (tmp_path / "cost.md").read_text()


def test_instance_types_are_estimated_by_vcpus_and_dated_prices(
    results: Results, tmp_path: Path
) -> None:
    write_cost_document(results, tmp_path / "cost.md")
    rows = [row for row in _rows(tmp_path / "cost.md") if row[0].startswith("ml.")]
    by_key = {(row[0], row[2], row[3]): row for row in rows}
    price = INSTANCE_HOUR["ml.m5.large"]
    # Two vCPUs have half of what four cores have here.
    assert by_key["ml.m5.large", "resnet50", "fp32"][1:] == [
        f"{price.dollars:g} ({price.as_of})",
        "resnet50",
        "fp32",
        "30",
        f"{30 * 3600 / price.dollars / 1e6:.1f} million",
    ]
    assert by_key["ml.m5.xlarge", "resnet50", "fp32"][4] == "60"
    assert by_key["ml.c5.large", "resnet50", "fp32"][1].endswith("(not verified)")
    # m5 has processors without VNNI, and c6i none with bf16.
    assert ("ml.m5.large", "resnet50", "int8") not in by_key
    assert by_key["ml.c6i.large", "resnet50", "int8"][4] == "100"
    assert ("ml.c6i.large", "resnet50", "bf16") not in by_key
    assert by_key["ml.m7i.large", "resnet50", "bf16"][4:] == ["60", "not known"]
    assert ("ml.m7i.large", "resnet50", "fp32") not in by_key


def test_gpu_types_have_a_price_and_no_invented_figure(results: Results, tmp_path: Path) -> None:
    write_cost_document(results, tmp_path / "cost.md")
    rows = [row for row in _rows(tmp_path / "cost.md") if row[0].startswith("ml.g")]
    price = INSTANCE_HOUR["ml.g4dn.xlarge"].dollars
    unknown = ["not measured"] * 2
    assert rows[0] == ["ml.g4dn.xlarge", f"{price:g} (not verified)", "all", "all", *unknown]
    assert {row[0] for row in rows} == {"ml.g4dn.xlarge", "ml.g5.xlarge"}


def test_it_is_written_again_from_the_last_run(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--render", "--cache", str(tmp_path), "--output", str(tmp_path / "cost.md")]
    assert cost.main(given) == 1
    assert "run the benchmark once without --render" in capsys.readouterr().err
    results.write(tmp_path / "cost.json")
    assert cost.main(given) == 0
    assert "images a US dollar" in (tmp_path / "cost.md").read_text()
    content = json.loads((tmp_path / "cost.json").read_text())
    assert content["options"]["models"] == MODELS
