"""What makes artifacts: needs torch, and never runs in the serving container."""

import sys
from typing import Any

# NNCF and OpenVINO report each use to Google Analytics and write into the home directory, unless
# the package that does so cannot be imported. Here it is in time for every module of this package.
_modules: dict[str, Any] = sys.modules
_modules["openvino_telemetry"] = None
