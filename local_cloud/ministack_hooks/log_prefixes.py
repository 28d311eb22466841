"""FilterLogEvents by the prefix of the streams' names, which MiniStack ignores."""

from typing import Any

from ministack.services import cloudwatch_logs


def install_log_prefixes() -> None:
    """Read only the log streams whose names begin with `logStreamNamePrefix`."""
    original = cloudwatch_logs._filter_log_events

    def filter_events(data: dict[str, Any]) -> Any:
        prefix = data.get("logStreamNamePrefix")
        group = cloudwatch_logs._log_groups.get(cloudwatch_logs._resolve_log_group_name(data))
        if prefix is None or group is None:
            return original(data)
        names = [name for name in group["streams"] if name.startswith(prefix)]
        # Without names MiniStack would read every stream.
        return original({**data, "logStreamNames": names or [prefix]})

    cloudwatch_logs._filter_log_events = filter_events
