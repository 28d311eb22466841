"""The settings of the stage local are those that run."""

import pytest

from tools.account import account
from tools.account.account import read_stage


@pytest.mark.parametrize(("preset", "instances"), [("dogs-scaled", 4), (None, 3)])
def test_local_has_the_preset_that_make_up_deployed(
    monkeypatch: pytest.MonkeyPatch, preset: str | None, instances: int
) -> None:
    monkeypatch.setattr(account, "deployed_preset", lambda: preset)
    assert read_stage("local").preset == preset
    assert read_stage("local").serving.max_instance_count == instances
    assert read_stage("dev").preset is None
