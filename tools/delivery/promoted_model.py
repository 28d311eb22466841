"""Which model `make promote` names: an approved package of the registry, or a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stacks.settings.stage import StageSettings
from tools.console import ToolError
from tools.model.default_models import MODEL_FOLDER
from tools.paths import short_path
from tools.stage_access import Client, clients_of
from tools.training.candidates import candidate_folder
from tools.training.packages import APPROVED, NoRegistryError, Package, find_package, newest


@contextmanager
def chosen_model(
    source: StageSettings, model: Path | None, version: str | None, deployment: Path
) -> Iterator[tuple[Path, str]]:
    """Yield the folder of the model to promote and the ARN of its package, "" without one.

    Args:
        source: the stage whose registry has the model.
        model: folder that the user named instead, or None.
        version: number of the package that the user named; None: the newest approved.
        deployment: file of `make up`, for the stage local.

    Raises:
        ToolError: a package that is named, or every package, is not approved, or its archive has
            expired.
    """
    if model is not None:
        yield model.absolute(), ""
        return
    client = _registry(source, deployment)
    package = _package(client("sagemaker"), source, version)
    if package is None:
        print(f"{source.name} has no registered models: {short_path(MODEL_FOLDER)} is promoted.")
        yield MODEL_FOLDER.absolute(), ""
        return
    print(f"Package {package.version} of {package.group}, {package.status}")
    with candidate_folder(client("s3"), package) as folder:
        yield folder, package.arn


def _registry(source: StageSettings, deployment: Path) -> Client:
    """Return the clients of a stage.

    Raises:
        ToolError: the stage is local and no local cloud is running.
    """
    try:
        return clients_of(source, deployment)
    except ToolError as error:
        raise ToolError(
            f"{error}\nWithout it, its registered models are not known: MODEL=build/model promotes "
            "that folder."
        ) from error


def _package(sagemaker: Any, source: StageSettings, version: str | None) -> Package | None:
    """Return the package to promote; None if the stage has no packages.

    Raises:
        ToolError: the package that is named, or every package, is not approved.
    """
    if version:
        package = find_package(sagemaker, source, version)
        if package.status != APPROVED:
            raise ToolError(
                f"Package {package.version} of {package.group} is {package.status}: "
                f"`make approve VERSION={package.version} STAGE={source.stage}` approves it."
            )
        return package
    try:
        approved = newest(sagemaker, source, APPROVED)
        if approved is None and newest(sagemaker, source) is not None:
            raise ToolError(
                f"No package of {source.name} is {APPROVED}: `make approve STAGE={source.stage}` "
                "approves the newest, and MODEL=build/model promotes that folder instead."
            )
    except NoRegistryError:
        return None
    return approved
