"""The alarms that a stage has by its settings."""

from collections.abc import Callable, Iterator
from typing import Final

from stacks.components.monitoring.catalogue.api_alarms import api_alarms, function_alarms
from stacks.components.monitoring.catalogue.definition import AlarmDefinition
from stacks.components.monitoring.catalogue.endpoint_alarms import endpoint_alarms, machine_alarms
from stacks.components.monitoring.catalogue.other_alarms import (
    firewall_alarms,
    page_alarms,
    training_alarms,
)
from stacks.components.monitoring.catalogue.serverless_alarms import serverless_alarms
from stacks.settings.stage import StageSettings

_PARTS: Final[tuple[Callable[[StageSettings], Iterator[AlarmDefinition]], ...]] = (
    api_alarms,
    function_alarms,
    endpoint_alarms,
    machine_alarms,
    serverless_alarms,
    training_alarms,
    firewall_alarms,
    page_alarms,
)
# The alarm that combines those with `affects_users`.
USERS_AFFECTED: Final = "UsersAffected"
USERS_AFFECTED_MEANING: Final = (
    "Callers of the API get errors or wait too long; the alarm that caused this says why"
)


def stage_alarms(settings: StageSettings) -> list[AlarmDefinition]:
    """Return the alarms of a stage; with `alarms = "basic"` at most ten, each on one metric."""
    full = settings.monitoring.alarms == "full"
    return [alarm for part in _PARTS for alarm in part(settings) if full or alarm.basic]
