"""A function's log lines belong to the invocation that wrote them."""

import json
import subprocess

import pytest

from tests.local.conftest import CLOUD_PYTHON
from tools.cdk import ROOT

# The reader of the log is as slow here as on a machine without an idle core.
_CHECK = """
import io, json, time, zipfile
from ministack.core import lambda_runtime
from local_cloud.ministack_hooks.function_logs import can_mark_logs, install_function_logs
assert can_mark_logs()
install_function_logs()

def read_slowly(worker):
    for line in worker._proc.stderr:
        time.sleep(0.1)
        worker._stderr_queue.put(line.rstrip("\\n"))

lambda_runtime.Worker._read_stderr = read_slowly
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("function.py", '''
import os, sys
def handler(event, context):
    for line in event["lines"]:
        print(line)
    sys.stdout.write(event["unended"])
    sys.stdout.flush()
    if event["fails"] == "raise":
        raise ValueError("failed")
    if event["fails"] == "exit":
        os._exit(1)
    return {}
''')
configuration = {
    "FunctionName": "logged", "Runtime": "python3.13", "Handler": "function.handler", "Timeout": 20,
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:logged", "Role": "",
}
worker = lambda_runtime.Worker("logged", configuration, code.getvalue())
for lines, unended, fails in [
    (["one", "two"], "", ""), ([], "", ""), (["", "three"], "unended", ""),
    (["four"], "", "raise"), (["five"], "", "exit"), (["six"], "", ""),
]:
    event = {"lines": lines, "unended": unended, "fails": fails}
    print("LOG", json.dumps(worker.invoke(event, "request")["log"]))
worker.kill()
"""


@pytest.fixture(scope="module")
def logs() -> list[str]:
    ended = subprocess.run(
        [str(CLOUD_PYTHON), "-c", _CHECK], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return [
        json.loads(line.removeprefix("LOG "))
        for line in ended.stdout.splitlines()
        if line.startswith("LOG ")
    ]


def test_late_lines_are_in_the_log_of_their_own_invocation(logs: list[str]) -> None:
    assert logs == ["one\ntwo", "", "\nthree\nunended", "four", "five", "six"]
