"""The resources that Application Auto Scaling scales here: variants of endpoints."""

import re
from typing import Final

VARIANT: Final = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
