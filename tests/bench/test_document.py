from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.document import write_document
from bench.programs import BenchError
from bench.results import (
    CellSample,
    EngineSample,
    Results,
    ServerEntry,
    StartSample,
    read_results,
)
from bench.servers import OURS, PEERS
from bench.targets import targets

THROUGHPUT = {
    "whippet-fp32": 30.0,
    "torchserve": 15.0,
    "litserve-torch": 25.0,
    "mosec-openvino": 24.0,
}


def sample(server: str, client_count: int) -> CellSample:
    throughput = THROUGHPUT[server]
    return CellSample(
        server=server,
        model="resnet50",
        image_size="500x375",
        client_count=client_count,
        round=0,
        throughput=throughput,
        latencies_ms=[1000 / throughput],
        cpu_ms=60.0,
        client_cpu_ms=0.2,
        counts={"200": 1},
    )


@pytest.fixture
def results() -> Results:
    return Results(
        machine={
            "date": "2026-11-21",
            "processor": "A processor",
            "cores": "2 cores",
            "memory": "24 GiB",
            "system": "Linux",
        },
        options={
            "models": ["resnet50"],
            "image_sizes": ["500x375"],
            "client_counts": [1, 16],
            "rounds": 1,
            "seconds": 3.0,
        },
        servers=[
            ServerEntry(
                name=server.name,
                title=server.title,
                kind=server.kind,
                settings={"BENCH_WORKERS": "2"},
                versions="packages 1.0",
            )
            for server in (*OURS, *PEERS)
        ],
        cells=[sample(server, count) for server in THROUGHPUT for count in (1, 16)],
        starts=[
            StartSample(
                server=name, model="resnet50", first_response_seconds=3.0, memory_bytes=memory
            )
            for name, memory in (("whippet-fp32", 400_000_000), ("torchserve", 1_500_000_000))
        ],
        engine=[
            EngineSample(
                precision="fp32", model="resnet50", round=0, throughput=40.0, cpu_ms=50.0, p50_ms=9
            )
        ],
        failures={"resnet50": {"bentoml": "no | such\npackage"}},
    )


def test_each_target_says_what_was_measured_and_whether_that_is_enough(results: Results) -> None:
    found = {t.name: (t.value, t.verdict) for t in targets(results, "resnet50")}
    assert found["throughput at 16 clients / best torch server (LitServe)"] == (1.2, "missed")
    assert found["throughput at 16 clients / TorchServe"] == (2.0, "met")
    assert found["p50 at 1 client / TorchServe"] == (0.5, "met")
    assert found["CPU time of a response at 16 clients / the engine's own"] == (1.2, "missed")
    assert found["throughput at 16 clients / the engine's limit"] == (0.75, "missed")
    assert found["first response after start"] == (3.0, "missed")
    assert found["int8 throughput at 16 clients / fp32"] == (None, "not measured")
    assert found["int8 throughput at 16 clients / the engine's limit"] == (None, "")


def test_a_model_without_any_peer_has_targets_that_were_not_measured(results: Results) -> None:
    assert {t.verdict for t in targets(results, "mobilenet_v2")} == {"", "not measured"}


def test_the_document_has_every_cell_and_every_failure(results: Results, tmp_path: Path) -> None:
    write_document(results, tmp_path / "made" / "serving.md")
    text = (tmp_path / "made" / "serving.md").read_text()
    assert "| 16 | Whippet fp32 | 30.0 | 33.3 | 33 | 60.0 | 0 | 0 |" in text
    assert "| BentoML | not measured |  | no / such package |" in text
    assert "| throughput at 16 clients / TorchServe | 2.00 | ≥ 1.60 | met |" in text
    assert "| TorchServe | 3.0 | 1500 | workers 2 |" in text
    assert "| TorchServe | packages 1.0 |" in text
    assert "A processor, 2 cores, 24 GiB" in text
    assert "(serving.svg)" in text
    # Without a value and without a bound there is nothing to tell.
    assert "| int8 throughput at 16 clients / fp32 |  | ≥ 1.50 | not measured |" in text
    assert "int8 CPU time of a response at 16 clients / the engine's own" not in text
    assert "another checkout" not in text


def test_the_plot_is_an_svg_with_a_bar_for_each_server(results: Results, tmp_path: Path) -> None:
    write_document(results, tmp_path / "serving.md")
    root = ElementTree.parse(tmp_path / "serving.svg").getroot()  # noqa: S314 - made here
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("TorchServe") == 2
    assert texts.count("engine alone, fp32") == 2
    assert "30.0" in texts


def test_results_read_back_as_they_were_written(results: Results, tmp_path: Path) -> None:
    results.write(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == results


@pytest.mark.parametrize("text", ["{", '{"format": 0}', "[]"])
def test_results_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(BenchError, match="again"):
        read_results(tmp_path / "results.json")


def test_another_checkout_is_named(results: Results, tmp_path: Path) -> None:
    results.servers.append(
        ServerEntry(
            name="before-int8",
            title="before int8",
            kind="before",
            settings={},
            versions="abc1234 A commit",
        )
    )
    results.cells.append(replace(sample("mosec-openvino", 16), server="before-int8"))
    write_document(results, tmp_path / "serving.md")
    text = (tmp_path / "serving.md").read_text()
    assert "our server of another checkout" in text
    assert "the same networks: `abc1234 A commit`" in text
    assert "| 16 | before int8 | 24.0 |" in text
