"""The inputs of a deployment besides its settings: the model, the code, the page."""

from dataclasses import dataclass
from pathlib import Path

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.serving.model_choice import choose_model
from stacks.components.web.page_files import NOT_FOUND_FILE
from stacks.errors import InputError
from stacks.settings.delivery import DeliverySettings, load_delivery_settings


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The model and the folders that the stacks deploy.

    Attributes:
        model: the model's artifact.
        proxy_directory: the proxy's code with its dependencies.
        page_directory: the bundle of the web page.
        model_code_directory: the serving image's build context and the training job's source.
        delivery: what deploys the stages that no laptop deploys.
        samples_directory: has a folder for each stage whose page offers images to try.
    """

    model: ModelArtifact
    proxy_directory: Path
    page_directory: Path
    model_code_directory: Path
    delivery: DeliverySettings
    samples_directory: Path


def load_inputs(
    stage: str,
    model_directory: Path | None = None,
    *,
    proxy_directory: Path,
    page_directory: Path,
    repository: Path,
) -> Inputs:
    """Load the model and check the folders.

    Args:
        stage: name of the stage.
        model_directory: the model's artifact, which must be the one that the stage's lock names, if
            it has a lock. None: the lock decides, or else it is `build/model`.
        proxy_directory: the proxy's code with its dependencies.
        page_directory: the bundle of the web page.
        repository: has `model_code/`, and `config/` with what stages may have: samples, locks,
            deliverers.

    Raises:
        InputError: an input is missing or invalid; the message names the command that builds it.
        SettingsError: config/delivery.toml is invalid.
    """
    if not (proxy_directory / "classifier_proxy").is_dir():
        raise InputError(
            f"no proxy code in {proxy_directory}: expected the folder classifier_proxy there. "
            "Build it with `python -m tools.bundles.proxy`, or name another with -c proxy=<folder>"
        )
    for name in ("index.html", NOT_FOUND_FILE):
        if (page_directory / name).is_file():
            continue
        raise InputError(
            f"no web page in {page_directory}: expected {name} there. "
            "Build it with `python -m tools.bundles.web`, or name another with -c page=<folder>"
        )
    return Inputs(
        model=choose_model(repository, stage, model_directory),
        proxy_directory=proxy_directory,
        page_directory=page_directory,
        model_code_directory=repository / "model_code",
        delivery=load_delivery_settings(repository / "config"),
        samples_directory=repository / "config" / "samples",
    )
