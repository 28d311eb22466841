"""The versions of the command lines that the pipeline installs."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class CliVersions:
    """Versions from package.json.

    CDK Pipelines would install the newest ones. The newest CDK command line cannot read the
    assembly of this app.

    Attributes:
        cdk: of aws-cdk, which updates the pipeline.
        cdk_assets: of cdk-assets, which publishes the assets.
    """

    cdk: str
    cdk_assets: str


def read_cli_versions(package_file: Path) -> CliVersions:
    """Return the versions that package.json pins."""
    package = json.loads(package_file.read_text(encoding="utf-8"))
    return CliVersions(
        cdk=package["devDependencies"]["aws-cdk"], cdk_assets=package["config"]["cdk-assets"]
    )
