"""The hooks name what a different version of MiniStack lacks, and leave no process."""

import os
import subprocess

import pytest

from tests.local.conftest import CLOUD_PYTHON
from tools.cdk import ROOT

# One process for all: it imports every service of MiniStack.
_CHECK = """
import contextlib, logging, os, time
os.environ["AUTH"] = "true"
from ministack.core.node_pool import NodeWorkerPool
from ministack.services.cloudformation import stacks
from local_cloud.ministack_hooks import MiniStackChangedError, check_hooks
from local_cloud.ministack_hooks.edge_functions import install_edge_functions
check_hooks()
del stacks._runs_on_worker_thread
try:
    check_hooks()
except MiniStackChangedError as error:
    print(error)

install_edge_functions()
# The program `node` of the environment's package starts the real one, which tells its id.
tell = "process.stdin.on('data', () => console.log(process.pid))"
logger = logging.getLogger()
pool = NodeWorkerPool(tell, log_prefix="", logger=logger, timeout=60, recycle_after=1)
process_id = pool.call({})
deadline = time.monotonic() + 30
with contextlib.suppress(ProcessLookupError):
    while time.monotonic() < deadline:
        os.kill(process_id, 0)
        time.sleep(0.05)
    print("remained", process_id)
    os.kill(process_id, 9)
"""


@pytest.fixture(scope="module")
def printed() -> str:
    path = os.pathsep.join((str(ROOT / ".venv" / "bin"), os.environ["PATH"]))
    ended = subprocess.run(
        [str(CLOUD_PYTHON), "-c", _CHECK], cwd=ROOT, env=os.environ | {"PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_hook_that_moved_is_named(printed: str) -> None:
    assert "has no ministack.services.cloudformation.stacks._runs_on_worker_thread" in printed
    assert "requirements/local-cloud.in" in printed


def test_the_node_of_a_function_ends_with_the_program_that_started_it(printed: str) -> None:
    assert "remained" not in printed
