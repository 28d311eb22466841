import signal
from pathlib import Path

import pytest

from bench import serving
from bench.plan import Plan
from bench.programs import ROOT, BenchError
from bench.serving import main


@pytest.fixture(autouse=True)
def signals() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--peers", "torchserve", "triton"], "invalid choice: 'triton' (choose from "),
        (["--models", "vgg"], "invalid choice: 'vgg' (choose from "),
        (["--image-sizes", "1x1"], "invalid choice: '1x1' (choose from "),
        (["--clients", "1", "none"], "not a whole number from 1 to 1000: 'none'"),
        (["--clients", "0"], "not a whole number from 1 to 1000: '0'"),
        (["--rounds", "-1"], "not a whole number from 1 to 1000: '-1'"),
        (["--seconds", "nan"], "not 0.5 to 1000 seconds: 'nan'"),
        (["--seconds", "soon"], "not 0.5 to 1000 seconds: 'soon'"),
        (["--before", str(ROOT)], f"argument --before: not another checkout: {ROOT}"),
        (["--targets", "--before", "none"], "argument --before: not another checkout: "),
    ],
)
def test_an_invalid_option_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_rendering_without_a_run_before_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--render", "--cache", str(tmp_path), "--output", str(tmp_path / "a.md")]) == 1
    assert "run the benchmark once without --render" in capsys.readouterr().err
    assert not (tmp_path / "a.md").exists()


def _plan(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Plan:
    plans: list[Plan] = []

    def note(plan: Plan) -> None:
        plans.append(plan)
        raise BenchError("noted")

    monkeypatch.setattr(serving, "run", note)
    assert main(arguments) == 1
    return plans[0]


def test_the_run_for_the_targets_has_only_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tmp_path / "a checkout"
    (before / "model_code").mkdir(parents=True)
    (before / "model_code" / "serve.py").touch()
    plan = _plan(["--targets", "--before", str(before), "--rounds", "7"], monkeypatch)
    assert [server.name for server in plan.servers] == [
        "whippet-fp32", "whippet-int8", "before-fp32", "before-int8", "mosec-openvino",
    ]  # fmt: skip
    assert set(plan.models) == {"resnet50", "mobilenet_v2", "efficientnet_lite0"}
    assert (plan.image_sizes, plan.client_counts) == (["500x375"], [1, 16])
    # An option beside it counts.
    assert (plan.rounds, plan.before) == (7, before)


def test_a_whole_run_has_every_peer_and_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan([], monkeypatch)
    names = [server.name for server in plan.servers]
    assert names[:4] == ["whippet-fp32", "whippet-bf16", "whippet-int8", "torchserve"]
    assert len(names) == 9
    assert plan.rounds >= 4
