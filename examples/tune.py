"""Run a tuning job of a stage with the SDK's HyperparameterTuner."""

from sagemaker.core.parameter import ContinuousParameter
from sagemaker.train.tuner import HyperparameterTuner

from examples.stage import open_stage, parser_of
from examples.train import inputs_of, metric_definitions, trainer_of

_STATIC = {"mode": "finetune", "architecture": "efficientnet_lite0", "epochs": "3"}


def main() -> None:
    """Look for a learning rate of fine-tuning, and print the best job."""
    parser = parser_of(__doc__)
    parser.add_argument("dataset", help="such as datasets/flowers/3f2a9c01b7de")
    parser.add_argument("--instance-type", default="ml.m5.xlarge")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--no-wait", action="store_true", help="start the job alone")
    arguments = parser.parse_args()
    stage = open_stage(arguments.stage)
    tuner = HyperparameterTuner(
        model_trainer=trainer_of(stage, _STATIC, arguments.instance_type),
        objective_metric_name="valid_accuracy",
        objective_type="Maximize",
        hyperparameter_ranges={
            "learning_rate": ContinuousParameter(1e-4, 1e-1, scaling_type="Logarithmic")
        },
        metric_definitions=[
            {"Name": each.name, "Regex": each.regex} for each in metric_definitions()
        ],
        strategy="Random",
        max_jobs=arguments.trials,
        max_parallel_jobs=2,
        # A tuning job's name has at most 32 characters, and the SDK adds the time.
        base_tuning_job_name=stage.name[:16],
    )
    tuner.tune(inputs=inputs_of(stage, arguments.dataset), wait=not arguments.no_wait)
    if arguments.no_wait:
        print(f"{tuner.latest_tuning_job.hyper_parameter_tuning_job_name}: started")
    else:
        print(f"best: {tuner.best_training_job()}")


if __name__ == "__main__":
    main()
