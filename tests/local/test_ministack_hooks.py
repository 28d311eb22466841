"""The hooks name what a different version of MiniStack lacks."""

import subprocess

from tests.local.conftest import CLOUD_PYTHON
from tools.cdk import ROOT

_CHECK = """
import os
os.environ["AUTH"] = "true"
from ministack.services.cloudformation import stacks
from local_cloud.ministack_hooks import MiniStackChangedError, check_hooks
check_hooks()
del stacks._runs_on_worker_thread
try:
    check_hooks()
except MiniStackChangedError as error:
    print(error)
"""


def test_a_hook_that_moved_is_named() -> None:
    ended = subprocess.run(
        [str(CLOUD_PYTHON), "-c", _CHECK], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "has no ministack.services.cloudformation.stacks._runs_on_worker_thread" in ended.stdout
    assert "requirements/local-cloud.in" in ended.stdout
