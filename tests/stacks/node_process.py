"""Start the process that CDK runs in, in an environment of our own.

jsii starts the first `node` of PATH when aws_cdk is imported, and that process keeps the
environment of the moment. Node 24 stands beside this Python. CDK's built-in validation takes
seconds an app and has its own test. A shell's account and region must not matter, so they are
wrong here. Other tests of the session see nothing of it.
"""

import os
import sys
from pathlib import Path

import pytest

WRONG_ACCOUNT = "999999999999"
WRONG_REGION = "xx-nowhere-1"

with pytest.MonkeyPatch.context() as environment:
    environment.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    environment.setenv("CDK_VALIDATION", "false")
    environment.setenv("CDK_DEFAULT_ACCOUNT", WRONG_ACCOUNT)
    environment.setenv("CDK_DEFAULT_REGION", WRONG_REGION)
    import aws_cdk  # noqa: F401 - importing it is the point
