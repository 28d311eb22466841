"""What a load test costs, from the settings of the stage and the prices of tools/prices.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from stacks.settings.stage import StageSettings
from tools import prices
from tools.counted import counted

# Target tracking removes instances after 15 minutes below 90 % of the target, then waits for the
# cooldown; an instance also starts and stops.
_MINUTES_UNTIL_REMOVED = 20
_SERVICES_NOT_COUNTED = "logs, metrics, traces, data capture, data sent to the internet"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is to be sent.

    Attributes:
        requests: how many.
        minutes: for how long.
        image_bytes: of an image, on average.
        seconds_a_request: that a request took just now.
        through_api: whether requests go through the API, or to the endpoint itself.
        instances: that the endpoint has now.
    """

    requests: int
    minutes: float
    image_bytes: float
    seconds_a_request: float
    through_api: bool
    instances: int


@dataclass(frozen=True)
class Item:
    """A part of the cost.

    Attributes:
        name: what is paid, and how much of it.
        dollars: None: the price is not known here.
        is_verified: whether the price is dated.
    """

    name: str
    dollars: float | None
    is_verified: bool


def estimate(settings: StageSettings, planned: Planned) -> list[Item]:
    """Return the parts of the cost of a load test on AWS.

    Args:
        settings: of the stage.
        planned: what is to be sent.
    """
    items = _api_items(settings, planned) if planned.through_api else []
    gigabytes = planned.requests * planned.image_bytes / 1e9
    items.append(
        _item(f"endpoint: {gigabytes:.2f} GB of images", gigabytes, prices.ENDPOINT_GIGABYTE)
    )
    serving = settings.serving
    if serving.is_serverless:
        items.append(_of_containers(settings, planned))
    added = max(0, serving.highest_instance_count - planned.instances) if serving.scales else 0
    if added:
        hours = added * (planned.minutes + _MINUTES_UNTIL_REMOVED) / 60
        items.append(
            _item(
                f"endpoint: up to {added} more {serving.instance_type} by scaling, {hours:.2f} "
                "instance hours until they are removed",
                hours,
                prices.INSTANCE_HOUR.get(serving.instance_type),
            )
        )
    return items


def _of_containers(settings: StageSettings, planned: Planned) -> Item:
    """The time of the containers, at most: that of a request through the API is longer."""
    gigabytes = settings.serving.serverless_memory_mb / 1024
    gigabyte_seconds = planned.requests * planned.seconds_a_request * gigabytes
    return _item(
        f"endpoint: {gigabyte_seconds:,.0f} GB-seconds of containers with {gigabytes:g} GB "
        f"({1000 * planned.seconds_a_request:.0f} ms a request, as just now)",
        gigabyte_seconds,
        prices.SERVERLESS_GIGABYTE_SECOND,
    )


def _api_items(settings: StageSettings, planned: Planned) -> list[Item]:
    api = settings.api
    count = planned.requests
    gigabyte_seconds = count * planned.seconds_a_request * api.memory_mb / 1024
    items = [
        _item(f"API Gateway: {counted(count, 'request')}", count, prices.API_REQUEST),
        _item(f"Lambda: {counted(count, 'request')}", count, prices.FUNCTION_REQUEST),
        _item(
            f"Lambda: {gigabyte_seconds:,.0f} GB-seconds ({1000 * planned.seconds_a_request:.0f} "
            f"ms a request, as just now, with {api.memory_mb} MB)",
            gigabyte_seconds,
            prices.FUNCTION_GIGABYTE_SECOND[api.architecture],
        ),
    ]
    if api.firewall_enabled:
        items.append(_item(f"WAF: {counted(count, 'request')}", count, prices.FIREWALL_REQUEST))
    return items


def _item(name: str, amount: float, price: prices.Price | None) -> Item:
    if price is None:
        return Item(name, None, is_verified=False)
    return Item(name, amount * price.dollars, is_verified=price.as_of is not None)


def describe_cost(items: Sequence[Item], planned: Planned) -> str:
    """Return the parts of the cost, a line each, and their sum."""
    total = sum(item.dollars for item in items if item.dollars is not None)
    rows = [f"  {_dollars(item):>10}  {item.name}" for item in items]
    hours = planned.instances * planned.minutes / 60
    more = ", and what has no price here" if any(item.dollars is None for item in items) else ""
    head = (
        f"Costs at most about {max(total, 0.01):.2f} USD in {prices.REGION}{more} (~: with a price "
        "that is not verified):"
    )
    present = (
        f"  The endpoint's present instances ({planned.instances}, {hours:.2f} instance hours) are "
        "billed without load too."
    )
    return "\n".join([head, *rows, present, f"  Not counted: {_SERVICES_NOT_COUNTED}."])


def _dollars(item: Item) -> str:
    if item.dollars is None:
        return "no price"
    return f"{'' if item.is_verified else '~'}{item.dollars:.4f}"
