import pytest

from stacks.settings.stage import load_stage_settings
from tests.changed_settings import with_changes
from tests.stacks.assembly import with_serving
from tests.tools.batch.stage import FakeS3, FakeStates, fake_stage
from tools.batch.costs import cost_line
from tools.cdk import ROOT
from tools.prices import INSTANCE_HOUR

M5 = INSTANCE_HOUR["ml.m5.large"]
OF_M5 = f"us-east-1, price of {M5.as_of}"


def line(
    stage: str = "dev", *, kind: str | None = None, capacity: float | None = None
) -> str | None:
    settings = load_stage_settings(stage, ROOT / "config")
    settings = with_serving(settings, measured_capacity_per_second=capacity)
    batch = with_changes(settings.batch, instance_type=kind, instance_count=2)
    s3 = FakeS3()
    return cost_line(fake_stage(s3, FakeStates(s3), with_changes(settings, batch=batch)), 90_000)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, f"2 x ml.m5.large: {M5.dollars * 2:.3g} USD an hour while it runs ({OF_M5})."),
        # 240 s of start and 90,000 images at 2 x 25 a second.
        ({"capacity": 25.0}, "; about 34 minutes, 0.13 USD."),
        (
            {"kind": "ml.c6i.large"},
            "0.204 USD an hour while it runs (us-east-1, price not verified).",
        ),
        # The capacity is of another machine.
        ({"kind": "ml.c6i.large", "capacity": 25.0}, "price not verified)."),
        ({"kind": "ml.r7i.large"}, "2 x ml.r7i.large: tools/prices.py has no price of it."),
    ],
)
def test_what_is_known_of_the_price_is_said(given: dict[str, object], text: str) -> None:
    assert str(line(**given)).endswith(text)  # type: ignore[arg-type]  # as parametrized


def test_a_job_on_this_machine_costs_nothing() -> None:
    assert line("local") is None
