"""`make up` with another archive than the one that serves."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.local.conftest import DEMO_MODEL, up
from tests.local.redeployment.changed_model import (
    changed_model,
    served_version,
    sha256_of,
    write_other_archive,
)
from tests.local.redeployment.conftest import Redeploy
from tests.local.redeployment.pasted_curl import check_pasted_curl
from tools.local.deployment import LocalDeployment


def test_other_bytes_of_one_identity_are_deployed_and_damaged_ones_are_not(
    state: Path,
    deployment: LocalDeployment,
    redeploy: Redeploy,
    client: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    served = served_version(deployment)
    first = sha256_of(DEMO_MODEL)
    damaged = Path(shutil.copytree(DEMO_MODEL, tmp_path / "damaged"))
    content = bytearray((damaged / "model.tar.gz").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "model.tar.gz").write_bytes(content)
    refused = up(state, damaged, check=False)
    assert refused.returncode != 0
    assert f"{damaged / 'model.tar.gz'} was damaged or replaced after its build" in refused.stderr
    assert f"its sha256 is {sha256_of(damaged)}, expected {first}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert served_version(deployment) == served

    other = write_other_archive(tmp_path / "other")
    for folder, digest in ((tmp_path / "other", other), (DEMO_MODEL, first)):
        with changed_model(client, deployment, digest):
            printed = redeploy(folder)
        assert served_version(deployment) == digest[:12]
    assert re.search(r"The image shows: (\S+)\. The model says: \1\.", printed)
    check_pasted_curl(printed)
