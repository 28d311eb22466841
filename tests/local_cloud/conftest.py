"""Lets these tests import what only the local cloud's own environment has: moto and psutil."""

import site
import sysconfig

from tools.cdk import ROOT

CLOUD_ENVIRONMENT = ROOT / ".venvs" / "local-cloud"

# Behind the packages of this environment, whose versions win.
site.addsitedir(
    sysconfig.get_path("purelib", "venv", {"base": str(CLOUD_ENVIRONMENT)}),
)
