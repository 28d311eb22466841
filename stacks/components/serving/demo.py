"""The digits demo is for tests and laptops: no stage in an account may serve it."""

import sys

from stacks.components.serving.model_artifact import ModelArtifact

_LOCAL_STAGE = "local"


def demo_problem(model: ModelArtifact, stage: str) -> str | None:
    """Return why a stage must not serve a model and what to do, or None if it may.

    Args:
        model: the model that would be deployed.
        stage: name of the stage.
    """
    if not model.demo or stage == _LOCAL_STAGE:
        return None
    place = "that the lock names" if model.archive is None else f"in {model.archive.parent}"
    return (
        f"the model {place} is the demo ({model.name} {model.version}, trained "
        f"on handwritten digits for tests), which the stage {stage} must not serve: expected "
        "published weights or a model of your own. `make model UPGRADE=1` puts published weights "
        "into build/model where they can be had; model_code/train.py and model_code/build.py build "
        "your own, into that folder or into one to name with --model (of cdk: -c model=<folder>)"
    )


def warn_of_demo(model: ModelArtifact, stage: str) -> None:
    """Warn on standard error, which the CDK command line passes on.

    `cdk ls`, `synth` and `diff` must work with the demo; `make deploy` refuses to deploy it.
    """
    if problem := demo_problem(model, stage):
        print(f"warning: {problem}", file=sys.stderr)
