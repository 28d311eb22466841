"""FilterLogEvents reads the streams that a prefix names."""

import time
from collections.abc import Callable
from typing import Any

Client = Callable[[str], Any]


def test_log_events_are_selected_by_the_beginning_of_a_streams_name(client: Client) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName="machine-test")
    for name in ("first/1", "first/2", "second/1"):
        logs.create_log_stream(logGroupName="machine-test", logStreamName=name)
        event = {"timestamp": round(time.time() * 1000), "message": name}
        logs.put_log_events(logGroupName="machine-test", logStreamName=name, logEvents=[event])
    found = {
        prefix: [
            event["message"]
            for event in logs.filter_log_events(
                logGroupName="machine-test", logStreamNamePrefix=prefix
            )["events"]
        ]
        for prefix in ("first/", "second/1", "third/")
    }
    logs.delete_log_group(logGroupName="machine-test")
    assert found == {"first/": ["first/1", "first/2"], "second/1": ["second/1"], "third/": []}
