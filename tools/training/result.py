"""What a run of the training state machine has registered."""

from tools.training.executions import Execution
from tools.training.packages import read_package
from tools.training.stage import TrainingStage


def print_result(stage: TrainingStage, execution: Execution) -> None:
    """Print the package of a successful execution, and the next command."""
    package = read_package(stage.client("sagemaker"), execution.output["model_package_arn"])
    accuracy = float(execution.output["test_accuracy"])
    images = package.metadata.get("test_images", "?")
    print(
        f"\n{package.group} has package {package.version}, {package.status}: "
        f"{accuracy:.1%} of {images} test images correct"
        f"{_comparison(str(execution.output.get('compared_with', '')))}\n"
        f"  Compare: make models{stage.option}\n"
        f"  Approve: make approve VERSION={package.version}{stage.option}"
    )


def _comparison(compared_with: str) -> str:
    if compared_with in {"", "none"}:
        return "; no approved package to compare it with."
    if compared_with == "not-comparable":
        return "; the approved package was judged on other test images, so they were not compared."
    return f"; compared with package {compared_with}."
