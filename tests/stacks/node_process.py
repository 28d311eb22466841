"""Starts the Node process of CDK with controlled environment variables.

jsii starts the first `node` of PATH when aws_cdk is imported, with the environment at that time.
Node 24 is installed next to this Python. CDK's built-in validation takes seconds for each app and
has its own test. The environment's account and region must not affect the templates, so they are
wrong here. The environment of other tests is not changed.
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
