from collections.abc import Callable

import pytest

import tests.stacks.node_process  # noqa: F401 - before anything else imports aws_cdk

# isort: split
from stacks.inputs import Inputs, load_inputs
from stacks.role_templates import role_templates
from stacks.settings.stage import StageSettings, load_stage_settings
from tests.stacks.assembly import CONFIG, Assembly, Json, synthesize
from tests.stacks.delivery_pipeline import (
    STAGE_ACCOUNTS,
    PipelineAssembly,
    pipeline_settings,
    stage_settings,
    synthesize_pipeline,
)
from tests.stacks.fake_inputs import write_model, write_model_code, write_page, write_proxy

STAGES = ("local", "dev", "prod")
Synthesize = Callable[[StageSettings], Assembly]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    write_model_code(folder / "model_code")
    return load_inputs(
        "dev",
        write_model(folder / "model"),
        proxy_directory=write_proxy(folder / "proxy"),
        page_directory=write_page(folder / "page"),
        repository=folder,
    )


@pytest.fixture(scope="session")
def assemblies(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Assembly]:
    """Every stage of config/, synthesized once."""
    return {
        stage: synthesize(
            load_stage_settings(stage, CONFIG), inputs, tmp_path_factory.mktemp(stage)
        )
        for stage in STAGES
    }


@pytest.fixture(scope="session")
def whole_templates() -> dict[str, Json]:
    """The stage prod with every part that a stage may have, and what delivers it, by stack."""
    return role_templates()


@pytest.fixture(scope="session")
def pipeline(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> PipelineAssembly:
    """A pipeline that deploys dev and prod."""
    return synthesize_pipeline(
        inputs,
        tmp_path_factory.mktemp("pipeline"),
        pipeline_settings(notification_email="team@example.com"),
        *map(stage_settings, STAGE_ACCOUNTS),
    )


@pytest.fixture(params=STAGES)
def assembly(request: pytest.FixtureRequest, assemblies: dict[str, Assembly]) -> Assembly:
    return assemblies[request.param]


@pytest.fixture
def dev(assemblies: dict[str, Assembly]) -> Assembly:
    return assemblies["dev"]


@pytest.fixture
def local(assemblies: dict[str, Assembly]) -> Assembly:
    return assemblies["local"]


@pytest.fixture
def prod(assemblies: dict[str, Assembly]) -> Assembly:
    return assemblies["prod"]


@pytest.fixture
def dev_settings() -> StageSettings:
    return load_stage_settings("dev", CONFIG)


@pytest.fixture(scope="session")
def synthesize_with(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesize other settings than those of config/, each once."""
    found: dict[str, Assembly] = {}

    def find(settings: StageSettings) -> Assembly:
        key = settings.model_dump_json()
        if key not in found:
            found[key] = synthesize(settings, inputs, tmp_path_factory.mktemp("assembly"))
        return found[key]

    return find
