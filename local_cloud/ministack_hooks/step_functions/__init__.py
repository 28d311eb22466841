"""Step Functions where MiniStack's is missing or wrong.

Task states call services as the state machine's role, jobs are waited for and stopped, and
definitions that AWS refuses are refused.
"""

from local_cloud.clock import Clock
from local_cloud.ministack_hooks.step_functions.definitions import install_definitions
from local_cloud.ministack_hooks.step_functions.delays import install_delays
from local_cloud.ministack_hooks.step_functions.events import install_events
from local_cloud.ministack_hooks.step_functions.intrinsics import install_intrinsics
from local_cloud.ministack_hooks.step_functions.runs import install_runs
from local_cloud.ministack_hooks.step_functions.tasks import install_tasks
from local_cloud.sagemaker.platform import Platform


def install_step_functions(platform: Platform, clock: Clock) -> None:
    """Change MiniStack's Step Functions.

    Args:
        platform: gives the credentials of a state machine's role.
        clock: how long Wait states and retries wait.
    """
    install_events()
    install_runs()
    install_delays(clock)
    install_tasks(platform)
    install_definitions(platform)
    install_intrinsics()
