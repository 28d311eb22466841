"""Lets these tests import what only the local cloud's own environment has: moto and psutil."""

import site
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools.cdk import ROOT

if TYPE_CHECKING:
    from tests.local_cloud.sagemaker import StandInSageMaker

CLOUD_ENVIRONMENT = ROOT / ".venvs" / "local-cloud"

# Behind the packages of this environment, whose versions win.
site.addsitedir(
    sysconfig.get_path("purelib", "venv", {"base": str(CLOUD_ENVIRONMENT)}),
)


@pytest.fixture
def sagemaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[StandInSageMaker]":
    """A service with four models and their configurations; two of the models do not start."""
    from moto.sagemaker.models import sagemaker_backends

    from local_cloud.sagemaker.errors import HostingError
    from local_cloud.sagemaker.hosting import hosting
    from tests.local_cloud.sagemaker import OTHER_ROLE, ROLE, StandInSageMaker

    sagemaker_backends.reset()

    def fetch(_platform: Any, _scope: Any, *, url: str, role_arn: str, destination: Path) -> None:
        assert role_arn in {ROLE, OTHER_ROLE}
        destination.mkdir(parents=True)
        if "damaged" in url:
            (destination / "fail").touch()
        if "absent" in url:
            raise HostingError(f"Failed to download model data from {url}")

    monkeypatch.setattr(hosting, "fetch_artifact", fetch)
    found = StandInSageMaker(tmp_path)
    for model in ("first", "second", "damaged", "absent"):
        found.create_model(model)
        found.create_configuration(f"{model}-configuration", model)
    yield found
    found.jobs.stop()
    found.endpoints.stop()
