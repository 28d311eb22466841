"""Which limits of a stage a load test exceeds."""

from stacks.settings.stage import StageSettings


def exceeded_limits(
    settings: StageSettings, *, rate: float, requests: int, seconds_a_request: float
) -> list[str]:
    """Return a sentence for each limit of the API that refuses a part of the requests.

    Args:
        settings: of the stage.
        rate: requests a second.
        requests: how many.
        seconds_a_request: that a request took just now.
    """
    api = settings.api
    found = []
    if rate > api.throttle_requests_per_second:
        found.append(
            f"RATE={rate:g} exceeds api.throttle_requests_per_second = "
            f"{api.throttle_requests_per_second:g}: after a burst of "
            f"{api.throttle_burst_requests}, the rest gets 429."
        )
    if requests > api.quota_requests_per_day:
        found.append(
            f"{requests:,} requests exceed api.quota_requests_per_day = "
            f"{api.quota_requests_per_day:,}: then the key gets 429 for the rest of the day."
        )
    elif requests > api.quota_requests_per_day / 2:
        found.append(
            f"{requests:,} requests take {100 * requests / api.quota_requests_per_day:.0f} % of "
            f"the key's quota of the day (api.quota_requests_per_day = "
            f"{api.quota_requests_per_day:,})."
        )
    minute = 60 * rate
    if api.firewall_enabled and minute > api.firewall_requests_per_minute_per_address:
        found.append(
            f"{minute:,.0f} requests a minute exceed api.firewall_requests_per_minute_per_address "
            f"= {api.firewall_requests_per_minute_per_address:,}: then all get 403 until the rate "
            "is lower."
        )
    concurrency = rate * seconds_a_request
    if api.reserved_concurrency is not None and concurrency > api.reserved_concurrency:
        found.append(
            f"{rate:g} requests a second of {seconds_a_request:.2f} s need {concurrency:.0f} "
            f"instances of the proxy; api.reserved_concurrency = {api.reserved_concurrency}: the "
            "rest gets 503."
        )
    return found
