"""The model package group that a destroyed stage retained."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.tools.deployment.builders import PYTHON_PROGRAM
from tests.tools.stubbed_session import StubbedSession
from tools.deployment.model_packages import delete_commands, delete_empty_group

GROUP = "whippet-dev"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package"


@pytest.mark.parametrize(("packages", "deleted"), [(None, False), (0, True), (1, False)])
def test_only_a_group_without_packages_is_deleted(packages: int | None, deleted: bool) -> None:
    with ExitStack() as stack:
        session = StubbedSession(stack)
        sagemaker = session.stubs["sagemaker"]
        group = {"ModelPackageGroupName": GROUP, "ModelPackageGroupArn": f"{ARN}-group/{GROUP}"}
        group |= {"CreationTime": 0, "ModelPackageGroupStatus": "Completed"}  # type: ignore[dict-item] # a stub's response
        listed = [] if packages is None else [group]
        sagemaker.add_response(
            "list_model_package_groups", {"ModelPackageGroupSummaryList": listed}
        )
        if packages is not None:
            package = {"ModelPackageArn": f"{ARN}/{GROUP}/1", "ModelPackageStatus": "Completed"}
            summaries = [package | {"CreationTime": 0}] * packages
            sagemaker.add_response("list_model_packages", {"ModelPackageSummaryList": summaries})
        if deleted:
            name = {"ModelPackageGroupName": GROUP}
            sagemaker.add_response("delete_model_package_group", {}, name)
        client = session.client("sagemaker", region_name="eu-west-1")
        assert delete_empty_group(client, GROUP) is deleted
        sagemaker.assert_no_pending_responses()


@pytest.mark.parametrize("packages", [0, 2])
def test_the_printed_commands_delete_the_packages_and_then_the_group(
    packages: int, tmp_path: Path
) -> None:
    """Run the commands in a shell, with a program in place of the AWS CLI."""
    arns = [f"{ARN}/{GROUP}/{number}" for number in range(packages)]
    calls = tmp_path / "calls"
    program = tmp_path / "aws"
    program.write_text(
        f"{PYTHON_PROGRAM}import sys\n"
        f"open({str(calls)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"if 'list-model-packages' in sys.argv: print({chr(9).join(arns)!r})\n"
    )
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = delete_commands(GROUP, "eu-west-1")
    subprocess.run(
        ["bash", "-c", command],  # noqa: S607 - any bash
        env=os.environ | {"PATH": path},
        check=True,
    )
    common = "--region eu-west-1"
    first, *deletions = calls.read_text().splitlines()
    assert first.startswith(f"sagemaker {common} list-model-packages --model-package-group-name")
    assert deletions == [
        *(f"sagemaker {common} delete-model-package --model-package-name {arn}" for arn in arns),
        f"sagemaker {common} delete-model-package-group --model-package-group-name {GROUP}",
    ]
