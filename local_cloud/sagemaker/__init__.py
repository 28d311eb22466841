"""SageMaker's control plane and hosting; instances are processes of this machine."""

import sys
from collections import defaultdict
from types import ModuleType

# moto's Application Auto Scaling imports its ECS for the services of ECS alone, and with it EC2:
# 2 seconds of each start.
_ECS = ModuleType("moto.ecs")
_ECS.__dict__["ecs_backends"] = defaultdict[str, defaultdict[str, None]](
    lambda: defaultdict(lambda: None)  # by account and region
)
sys.modules.setdefault(_ECS.__name__, _ECS)
