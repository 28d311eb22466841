from pathlib import Path

import pytest

from bench import distributed
from bench.programs import BenchError


def test_rows_are_medians_and_their_ratios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_side = {(1, 1): [50.0, 10.0, 40.0], (1, 2): [80.0, 60.0, 90.0], (2, 1): [70.0, 72.0, 5.0]}
    calls: list[tuple[str, int]] = []

    def measure(side: distributed._Side, architecture: str, steps: int) -> float:
        calls.append((architecture, steps))
        return by_side[side.hosts, side.threads].pop(0)

    monkeypatch.setattr(distributed, "_measure", measure)
    output = tmp_path / "new" / "distributed.md"
    given = ["--architectures", "net", "--steps", "4", "--output", str(output)]
    assert distributed.main(given) == 0
    assert set(calls) == {("net", 4)}
    text = output.read_text()
    assert "| net | one process, one core | 40.0 | 1.00 | 0.50 |" in text
    assert "| net | one process, two cores | 80.0 | 2.00 | 1.00 |" in text
    assert "| net | two hosts, one core each | 70.0 | 1.75 | 0.88 |" in text


def test_a_side_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object) -> float:
        raise BenchError("one process, one core: exit status 1: no torch")

    monkeypatch.setattr(distributed, "_measure", fail)
    assert distributed.main(["--output", str(tmp_path / "x.md")]) == 1
    assert capsys.readouterr().err == (
        "bench.distributed: one process, one core: exit status 1: no torch\n"
    )
