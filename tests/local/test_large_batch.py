"""2,000 images through `make batch`, killed in the middle and continued."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.local.batches import (
    batch,
    check_online,
    check_results,
    killed_run,
    make_images,
    results_of,
)
from tools.local.deployment import LocalDeployment

COUNT = 2000
BROKEN = COUNT // 100


@pytest.mark.presets
def test_all_of_two_thousand_images_are_accounted_for(
    state: Path, deployment: LocalDeployment, client: Callable[[str], Any], tmp_path: Path
) -> None:
    source, results, continued = (tmp_path / name for name in ("fotos", "results", "continued"))
    errors = make_images(source, COUNT)
    assert len(errors) == BROKEN
    ended = batch(state, "--source", str(source), "--destination", str(results))
    assert f"{COUNT:,} images: {COUNT - BROKEN:,} classified, {BROKEN} failed" in ended.stdout
    check_results(source, results, errors)
    sample = [f"Straße {each % 7}/søm billede {each // 7}.png" for each in range(0, COUNT, 40)]
    check_online(deployment, source, results, [*sample, *errors])
    run, _ = killed_run(state, client, source, continued)
    done = results_of(client, run)
    assert 0 < done < COUNT
    ended = batch(state, "--run", run)
    assert f"job 2 with {COUNT - done:,} image" in ended.stdout
    for name in ("predictions.jsonl", "failures.jsonl"):
        assert (continued / name).read_bytes() == (results / name).read_bytes()
