"""Names that stacks and tools share. This module imports no CDK, so that tools start fast.

Some resources may exist before their stack does, and are then imported into it: their names are
prescribed, so that a stack cannot create a second one, and their logical ids are literals, because
an import states them.
"""

from pathlib import Path

METRICS_NAMESPACE = "Whippet"  # of the proxy's own metrics
ENDPOINT_LOG_GROUP_ID = "EndpointLogGroup"
MODEL_PACKAGE_GROUP_ID = "ModelPackageGroup"
LOCKS_FOLDER = Path("config", "models")
MODELS_BUCKET_OUTPUT = "ModelsBucketName"
# Of the bucket of models: what training jobs write.
MODEL_PREFIX = "training"
# Of the bucket of captures: images and results of batch jobs.
BATCH_PREFIX = "batch"
BATCH_INPUT_PREFIX = f"{BATCH_PREFIX}/inputs"
BATCH_OUTPUT_PREFIX = f"{BATCH_PREFIX}/outputs"
BATCH_STATE_MACHINE_OUTPUT = "BatchStateMachineArn"
BATCH_BUCKET_OUTPUT = "BatchBucketName"
EC2_LAUNCH_TEMPLATE_OUTPUT = "Ec2LaunchTemplateId"
EC2_LOG_GROUP_OUTPUT = "Ec2LogGroup"
# On a machine of the EC2 trainer: the stage, and the job that it runs.
EC2_TRAINER_TAG = "whippet-trainer"
EC2_JOB_TAG = "whippet-job"
# Of the network stack: where it is, and what runs in it.
NETWORK_OUTPUT = "Placement"
# The parameter of the serving and the monitoring stack: "true" while the stage is paused.
PAUSED_PARAMETER = "Paused"
# The published value with it, which the functions of the API read.
PAUSED_VALUE = "paused"
# The value with what `make destroy KEEP=datasets` has kept, which the next deployment takes back.
KEPT_DATASETS_VALUE = "kept-datasets"
# The published values of a stage that the check of its deployment reads.
CHECKED_PARAMETERS = ("api-url", "api-key-id", "proxy-alias-arn", PAUSED_VALUE)
PIPELINE_NAME = "whippet-pipeline"
COPY_ROLE_PURPOSE = "copy-model"
CHECK_ROLE_PURPOSE = "check-deployment"
READ_ROLE_PURPOSE = "read-templates"
PULL_REQUEST_ROLE = "whippet-github-pull-requests"


def endpoint_name(stage_name: str, mode: str) -> str:
    """Return the literal name of a stage's endpoint.

    SageMaker refuses to make a serverless endpoint of one with instances: each has its own name.

    Args:
        stage_name: such as whippet-prod.
        mode: as the setting `serving.mode`.
    """
    return f"{stage_name}-{mode}" if mode == "serverless" else stage_name


def training_asset_prefix(stage_name: str) -> str:
    """Return what the keys of the training stack's files in the bootstrap's bucket begin with.

    Args:
        stage_name: such as whippet-prod.
    """
    return f"{stage_name}-training"


def endpoint_log_group_name(endpoint_name: str) -> str:
    """Return the name of the log group that SageMaker writes an endpoint's logs to.

    Source: docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
    """
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def parameter_path(stage_name: str) -> str:
    """Return the path of a stage's parameters, such as /whippet/prod.

    Args:
        stage_name: such as whippet-prod.
    """
    return f"/{stage_name.replace('-', '/', 1)}"


def delivery_role_name(stage_name: str, purpose: str) -> str:
    """Return the name of a role that a deliverer assumes, such as whippet-prod-copy-model.

    Args:
        stage_name: such as whippet-prod.
        purpose: one of the constants of this module.
    """
    return f"{stage_name}-{purpose}"
