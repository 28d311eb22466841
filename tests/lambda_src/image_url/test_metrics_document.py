"""docs/metrics.md lists what the proxy writes, and nothing else."""

from pathlib import Path

import pytest

from classifier_proxy.settings import METRICS
from tests.lambda_src.conftest import JPEG, Proxy
from tests.lambda_src.image_url.conftest import UrlProxy
from tests.lambda_src.image_url.image_server import ImageServer, respond
from tests.lambda_src.observability.test_telemetry import metric_lines, units_by_dimensions
from tests.lambda_src.stand_in import (
    CLASSIFICATION,
    MEASUREMENTS,
    SageMakerRuntime,
    service_error,
    silence,
)
from tests.lambda_src.stand_in import respond as sagemaker_respond

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
_COLUMNS = 5
Metric = tuple[str, str, tuple[str, ...]]


def documented(published_with: str) -> set[Metric]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| `") and line.count("|") == _COLUMNS + 1
    ]
    return {
        (name.strip("`"), unit, tuple(dimensions.split(", ")))
        for name, levels, unit, dimensions, _ in rows
        if published_with in levels.split(", ")
    }


@pytest.mark.parametrize("metrics", METRICS)
def test_the_document_has_every_metric(
    metrics: str,
    proxy: Proxy,
    url_proxy: UrlProxy,
    server: ImageServer,
    runtime: SageMakerRuntime,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("METRICS", metrics)
    server.behaviour = respond(JPEG)
    runtime.script = [
        sagemaker_respond(200, {**CLASSIFICATION, "measurements": MEASUREMENTS}),
        service_error(403, "AccessDeniedException"),
        silence(1.0),
    ]
    monkeypatch.setenv("ENDPOINT_READ_TIMEOUT_SECONDS", "0.2")

    statuses = [url_proxy.fetch(server).status, proxy.call().status, proxy.call(b"").status]
    statuses += [proxy.call().status for _ in range(2)]

    assert statuses == [200, 500, 400, 504, 503]
    written: set[Metric] = {
        (name, unit, dimensions)
        for line in metric_lines(capsys.readouterr().out)
        for dimensions, units in units_by_dimensions(line).items()
        for name, unit in units.items()
    }
    assert written == documented(metrics)


def test_the_cost_follows_from_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    # PredictedClass has a metric for each class, and one for all that a setting does not name.
    without_classes = len(documented("full")) - 1
    for model, classes in (("more than 20 classes and none named", 0), ("2 classes", 2)):
        count = without_classes + classes
        assert f"| `full`, {model} | {count} | {0.30 * count:.2f} |" in text
    assert f"| `full`, 20 classes | {without_classes + 20} |" in text
    settings = (DOCUMENT.parent / "settings.md").read_text(encoding="utf-8")
    assert f"billed as up to {without_classes + 21} custom metrics" in settings
