"""What the context of the command line selects: `-c name=value`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aws_cdk import App

from stacks.inputs import Inputs, load_inputs

_DEFAULTS = {"stage": "dev", "proxy": "build/lambda", "page": "build/web"}


@dataclass(frozen=True, kw_only=True)
class AppContext:
    """The context of the app.

    Attributes:
        repository: has `config/`, the other folders are relative to it.
        stage: name of the stage.
        preset: of the stage `local`: comes before its file; None: the file chooses.
        model: folder with the artifact; None: the lock decides, or else it is `build/model`.
        proxy: the proxy's code with its dependencies.
        page: the bundle of the web page.
    """

    repository: Path
    stage: str
    preset: str | None
    model: Path | None
    proxy: Path
    page: Path

    @classmethod
    def of(cls, app: App, repository: Path) -> Self:
        """Read the context of an app; what is not given has a default."""
        given = {key: app.node.try_get_context(key) for key in (*_DEFAULTS, "preset", "model")}
        context = _DEFAULTS | {key: value for key, value in given.items() if value is not None}
        return cls(
            repository=repository,
            stage=context["stage"],
            preset=context.get("preset"),
            model=repository / context["model"] if "model" in context else None,
            proxy=repository / context["proxy"],
            page=repository / context["page"],
        )

    @property
    def config(self) -> Path:
        """The folder of the settings."""
        return self.repository / "config"

    def load_inputs(self, stage: str) -> Inputs:
        """Load the inputs of a stage; as `stacks.inputs.load_inputs`.

        Raises:
            InputError: an input is missing or invalid.
            SettingsError: config/delivery.toml is invalid.
        """
        return load_inputs(
            stage,
            self.model,
            proxy_directory=self.proxy,
            page_directory=self.page,
            repository=self.repository,
        )
