"""What a job of a run costs, as far as the prices are known."""

from tools.batch.stage import BatchStage
from tools.prices import INSTANCE_HOUR, REGION
from tools.stage_access import LOCAL

# Before the first image: SageMaker starts the machines and the container.
_START_SECONDS = 240


def cost_line(stage: BatchStage, image_count: int) -> str | None:
    """Return a sentence on the cost of a job; None on this machine, where it costs nothing.

    Args:
        stage: that runs it.
        image_count: of the job.
    """
    settings = stage.settings
    if settings.stage == LOCAL:
        return None
    kind, machines = settings.batch_instance_type, settings.batch.instance_count
    price = INSTANCE_HOUR.get(kind)
    if price is None:
        return f"{machines} x {kind}: tools/prices.py has no price of it."
    hourly = price.dollars * machines
    as_of = f"of {price.as_of}" if price.as_of else "not verified"
    line = f"{machines} x {kind}: {hourly:.3g} USD an hour while it runs ({REGION}, price {as_of})"
    capacity = settings.serving.measured_capacity_per_second
    if capacity is None or kind != settings.serving.instance_type:
        return f"{line}."
    seconds = _START_SECONDS + image_count / (capacity * machines)
    return f"{line}; about {seconds / 60:.0f} minutes, {hourly * seconds / 3600:.2g} USD."
