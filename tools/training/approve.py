"""`make approve [VERSION=3]`: approve a registered model, after comparing it with the served one.

By default the newest that is pending. It deploys nothing: `make promote` names it as the stage's
model.
"""

from typing import Any, Final

from botocore.exceptions import ClientError

from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.aws import is_denied
from tools.console import ToolError, run_tool
from tools.delivery.lock_file import files_of, find_lock
from tools.delivery.lock_summary import read_summary
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser
from tools.stage_access import LOCAL, clients_of, stage_option
from tools.training.packages import (
    APPROVED,
    PENDING,
    Package,
    find_package,
    list_packages,
    newest,
)
from tools.training.table import is_served, table

_VARIABLES: Final = {"--version": "VERSION", "--stage": "STAGE"}


def main() -> None:
    """Approve, and print what was approved and the next command."""
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.training.approve", description=__doc__
    )
    parser.add_argument("--version", help="number or ARN of the package (the newest pending)")
    parser.add_argument("--stage", default=LOCAL, help="names config/<stage>.toml (%(default)s)")
    add_deployment(parser)
    arguments = parser.parse()
    settings = read_stage(arguments.stage, arguments.deployment)
    option = stage_option(settings.stage)
    sagemaker = clients_of(settings, arguments.deployment)("sagemaker")
    package = _choose(sagemaker, settings, arguments.version, option)
    if package.status == APPROVED:
        raise ToolError(
            f"Package {package.version} of {package.group} is approved already. Next: "
            f"make promote VERSION={package.version}{option}"
        )
    _compare(sagemaker, settings, package)
    _approve(sagemaker, package)
    print(f"Package {package.version} of {package.group} is {APPROVED}.")
    print(f"Next: make promote{option}")


def _choose(sagemaker: Any, settings: StageSettings, version: str | None, option: str) -> Package:
    if version:
        return find_package(sagemaker, settings, version)
    package = newest(sagemaker, settings, PENDING)
    if package is None:
        raise ToolError(
            f"{settings.name} has no package that is {PENDING}: `make models{option}` lists the "
            f"others, `make train DATA=<folder> ON=sagemaker{option}` registers another."
        )
    approved = newest(sagemaker, settings, APPROVED)
    if approved is not None and int(approved.version) > int(package.version):
        raise ToolError(
            f"No package newer than {approved.version}, which is {APPROVED}, is pending: "
            f"`make promote{option}` names that one. VERSION={package.version} approves the older "
            "one."
        )
    return package


def _compare(sagemaker: Any, settings: StageSettings, package: Package) -> None:
    """Print the package beside the one that the stage serves, or else the approved one."""
    lock = find_lock(settings.stage)
    served = None
    if lock is not None:
        packages = list_packages(sagemaker, settings)
        served = next((each for each in packages if is_served(each, lock)), None)
    other = served or newest(sagemaker, settings, APPROVED)
    others = [other] if other is not None and other.arn != package.arn else []
    print(table([package, *others], lock))
    if lock is not None and served is None:
        print(f"The stage {settings.stage} serves {read_summary(files_of(settings.stage))}.")
    if others and _split(package) != _split(others[0]):
        print("The two were judged on different test images: the accuracies say little.")


def _split(package: Package) -> str:
    return package.metadata.get("test_split_sha256", "")


def _approve(sagemaker: Any, package: Package) -> None:
    try:
        sagemaker.update_model_package(
            ModelPackageArn=package.arn,
            ModelApprovalStatus=APPROVED,
            ApprovalDescription="Approved by make approve",
        )
    except ClientError as error:
        if not is_denied(error):
            raise
        raise ToolError(
            f"{error}\nYour credentials may not approve models: that needs "
            f"sagemaker:UpdateModelPackage on {package.arn}, which the policy of the output "
            f"ApproverPolicyArn of the stack {package.group}-training has (docs/training.md)."
        ) from error


if __name__ == "__main__":
    run_tool(main)
