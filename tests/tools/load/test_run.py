"""`make load` on an API whose responses are prepared; tests/local has a real stage."""

import sys
from pathlib import Path
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.tools.local.api import Api, Response, predicted
from tools.cdk import ROOT
from tools.load import run as tool
from tools.load.destination import Stage
from tools.load.served import Served

PHOTO = ROOT / "samples" / "cat.jpg"
FAILED = Response(500, {"error": {"code": "internal_error", "message": "It failed."}})
SERVED = Served(
    instance_type="ml.m5.large", precision="fp32", version="0123456789ab", instances=1,
    is_changing=False,
)  # fmt: skip


class SageMaker:
    """An endpoint with one instance."""

    def describe_endpoint(self, **_: str) -> dict[str, Any]:
        variants = [{"CurrentInstanceCount": 1}]
        return {"ProductionVariants": variants, "EndpointStatus": "InService"}


@pytest.mark.parametrize(("last", "status"), [(FAILED, 1), (predicted(), 0)])
def test_a_load_of_which_no_request_succeeded_fails_with_its_report(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    last: Response,
    status: int,
) -> None:
    output = tmp_path / "load"
    monkeypatch.setattr(
        sys, "argv",
        [
            "run", "--stage", "dev", "--rate", "2", "--minutes", "0.05", "--yes",
            "--images", str(PHOTO), "--output", str(output),
        ],
    )  # fmt: skip
    with Api(predicted(), predicted(), FAILED, last) as api:
        monkeypatch.setattr(tool, "read_served", lambda *_: SERVED)

        def find_stage(settings: StageSettings, **_: Any) -> Stage:
            return Stage(
                settings=settings, client=lambda _: SageMaker(), environment={},
                minute_seconds=60.0, api=(api.url, "k"),
            )  # fmt: skip

        monkeypatch.setattr(tool, "find_stage", find_stage)
        assert tool.main() == status
    printed = capsys.readouterr().out
    assert "Sent: 6 of 6 requests." in printed
    assert "internal_error: It failed." in printed
    assert ("No request succeeded." in printed) == (status == 1)
    assert output.with_suffix(".svg").exists()
