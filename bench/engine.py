"""Asks what OpenVINO alone can do, in the environment that has it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

from bench import inputs
from bench.errors import BenchError
from bench.server import ROOT
from bench.servers import CORES, OUR_PYTHON

_SCRIPT: Final = ROOT / "bench" / "engine_limit.py"
_LAST_CHARACTERS: Final = 600


def measure_engine(folder: Path, precision: str, seconds: float) -> dict[str, float]:
    """Return `throughput` (images a second), `cpu_ms` (an image) and `p50_ms` of a model.

    Args:
        folder: of the model's inputs.
        precision: `fp32` or `int8`.
        seconds: for each of throughput and latency.

    Raises:
        BenchError: it failed.
    """
    ended = subprocess.run(  # noqa: S603 - the command is built here
        [str(OUR_PYTHON), str(_SCRIPT), "--network", str(inputs.network_file(folder, precision)),
         "--crop", str(inputs.crop(folder)), "--cores", str(CORES), "--seconds", str(seconds)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode != 0:
        raise BenchError(f"the engine alone failed: {ended.stderr.strip()[-_LAST_CHARACTERS:]}")
    figures: dict[str, float] = json.loads(ended.stdout)
    return figures
