"""Run a training job of a stage with the SDK's ModelTrainer.

`make train ON=sagemaker` does the same and more: the gate and the registry. This is for a notebook
or a script that wants the job alone.
"""

from sagemaker.core.shapes import (
    MetricDefinition,
    OutputDataConfig,
    StoppingCondition,
)
from sagemaker.core.training.configs import (
    Compute,
    InputData,
)
from sagemaker.train import ModelTrainer

from examples.stage import Stage, open_stage, parser_of

_METRICS = ("valid_accuracy", "test_accuracy")
_MAX_RUNTIME_SECONDS = 3600


def trainer_of(stage: Stage, hyperparameters: dict[str, str], instance_type: str) -> ModelTrainer:
    """Return what starts training jobs of a stage.

    Args:
        stage: has the source of train.py and the role.
        hyperparameters: flags of train.py.
        instance_type: such as ml.m5.xlarge.
    """
    trainer = ModelTrainer(
        sagemaker_session=stage.session,
        base_job_name=f"{stage.name}-sdk",
        role=stage.training["JobRoleArn"],
        training_image=stage.training["JobImage"],
        hyperparameters={**hyperparameters, **stage.script_mode()},
        compute=Compute(instance_type=instance_type, instance_count=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=_MAX_RUNTIME_SECONDS),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{stage.models_bucket}/training"),
    )
    return trainer.with_metric_definitions(metric_definitions())


def metric_definitions() -> list[MetricDefinition]:
    """Return how SageMaker finds the accuracies in the log."""
    return [MetricDefinition(name=name, regex=rf"\b{name}=([0-9.eE+-]+)") for name in _METRICS]


def inputs_of(stage: Stage, dataset: str) -> list[InputData]:
    """Return the channels of a job."""
    return [
        InputData(channel_name=name, data_source=url)
        for name, url in stage.channels(dataset).items()
    ]


def main() -> None:
    """Train a head, and print where the model is."""
    parser = parser_of(__doc__)
    parser.add_argument("dataset", help="such as datasets/flowers/3f2a9c01b7de")
    parser.add_argument("--instance-type", default="ml.m5.xlarge")
    parser.add_argument("--no-wait", action="store_true", help="start the job alone")
    arguments = parser.parse_args()
    stage = open_stage(arguments.stage)
    trainer = trainer_of(stage, {"mode": "head"}, arguments.instance_type)
    trainer.train(input_data_config=inputs_of(stage, arguments.dataset), wait=not arguments.no_wait)
    job = trainer._latest_training_job
    print(f"{job.training_job_name}: {job.training_job_status}")
    if not arguments.no_wait:
        print(job.model_artifacts.s3_model_artifacts)


if __name__ == "__main__":
    main()
