"""What a run of the training state machine has registered."""

from stacks.names import MODEL_PREFIX
from tools.executions import Execution
from tools.training.packages import APPROVED, read_package
from tools.training.stage import TrainingStage


def print_result(stage: TrainingStage, execution: Execution) -> None:
    """Print the package of a successful execution, and the next command."""
    package = read_package(stage.client("sagemaker"), execution.output["model_package_arn"])
    accuracy = float(execution.output["test_accuracy"])
    images = package.metadata.get("test_images", "?")
    next_command = (
        f"  Promote: make promote{stage.option}"
        if package.status == APPROVED
        else f"  Approve: make approve VERSION={package.version}{stage.option}"
    )
    output = f"s3://{stage.models_bucket}/{MODEL_PREFIX}/{execution.output['training_job']}/output"
    print(
        f"\n{package.group} has package {package.version}, {package.status}: "
        f"{accuracy:.1%} of {images} test images correct"
        f"{_comparison(str(execution.output.get('compared_with', '')))}\n"
        f"  Report:  report.html in {output}/output.tar.gz\n"
        f"  Compare: make models{stage.option}\n"
        f"{next_command}"
    )


def _comparison(compared_with: str) -> str:
    if compared_with in {"", "none"}:
        return "; no approved package to compare it with."
    if compared_with == "not-comparable":
        return "; the approved package was judged on other test images, so they were not compared."
    return f"; compared with package {compared_with}."
