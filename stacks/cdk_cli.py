"""The CDK command line that runs the app."""

import json
import os
import sys
from pathlib import Path

# aws-cdk sets it for the app (CLI_VERSION_ENV in aws-cdk-lib/cx-api).
_VERSION_VARIABLE = "CDK_CLI_VERSION"


def warn_of_other_cli(package_file: Path) -> None:
    """Warn on standard error if another version than the pinned one runs the app.

    An older version cannot read the assembly, and a newer one may deploy it differently.

    Args:
        package_file: package.json, which pins the version.
    """
    running = os.environ.get(_VERSION_VARIABLE)
    pinned = json.loads(package_file.read_text(encoding="utf-8"))["devDependencies"]["aws-cdk"]
    if running not in {None, pinned}:
        print(
            f"warning: this is version {running} of the CDK command line, and the app is tested "
            f"with {pinned}: run `make environments`, which installs it, then "
            "`npx --no-install cdk` in this folder",
            file=sys.stderr,
        )
