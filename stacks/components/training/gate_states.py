"""The states that decide whether a trained model is registered."""

from stacks.components.training import states
from stacks.components.training.states import State
from stacks.settings.training import TrainingSettings

# FinalMetricDataList has 32-bit floats: 0.7 arrives as 0.699999988.
_TOLERANCE = "0.000001"
_DIGITS = 7
_MAX_APPROVED = 100  # of a page
NOT_COMPARABLE = "not-comparable"
NOTHING_APPROVED = "none"

# SageMaker may have added to the address that the request has: the job's description has the whole.
_METRICS_KEY = (
    "{% $substringAfter($substringAfter($job.checkpoints, 's3://'), '/') "
    "& '/' & $job.name & '/metrics.json' %}"
)
# Of a package that was registered in another way, `accuracies` or `splits` may be empty.
_BASELINE = {
    "versions": "{% [$split($states.result.ModelPackageArn, '/')[-1]] %}",
    "accuracies": (
        "{% [$map($states.result.CustomerMetadataProperties.test_accuracy"
        "[$contains($, /^[0-9]+(\\.[0-9]+)?$/)], function($text) { $number($text) })] %}"
    ),
    "splits": "{% [$states.result.CustomerMetadataProperties.test_split_sha256] %}",
}
_IS_COMPARABLE = (
    "($count($baseline.accuracies) = 1 and ($baseline.splits)[0] = $metrics.test_split_sha256)"
)


def gate_states(
    *, training: TrainingSettings, models_bucket: str, package_group: str, then: str
) -> dict[str, State]:
    """Return the states that read a job's metrics and assign `$metrics` and `$verdict`.

    Args:
        training: what a model must reach.
        models_bucket: name of the bucket.
        package_group: name of the model package group.
        then: the next state.
    """
    return {
        "IsAccuracyThere": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    "$job.status != 'Completed'",
                    "TrainingFailed",
                    "'The training job ' & $job.name & ' is ' & $job.status "
                    "& ', expected Completed'",
                ),
                states.refuse(
                    "$count($job.accuracies) = 0",
                    "AccuracyMissing",
                    "'The training job ' & $job.name & ' has reported no test_accuracy, which the "
                    "gate needs: its log must have a line such as test_accuracy=0.94'",
                ),
            ],
            "Default": "ReadMetrics",
        },
        "ReadMetrics": states.call(
            "aws-sdk:s3:getObject",
            {"Bucket": models_bucket, "Key": _METRICS_KEY},
            assign={"metrics": "{% $parse($states.result.Body) %}"},
            catch=[
                states.catch_error(
                    ["S3.NoSuchKeyException", "S3.NoSuchKey"],
                    "AccuracyMissing",
                    "'The training job ' & $job.name & ' has written no metrics.json'",
                ),
                states.catch("Reading the metrics of the job"),
            ],
            then="DoMetricsAgree",
        ),
        "DoMetricsAgree": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    "$not($type($metrics.test_accuracy) = 'number' "
                    "? $abs($metrics.test_accuracy - ($job.accuracies)[0]) <= "
                    f"{_TOLERANCE} : false)",
                    "AccuracyMissing",
                    "'The training job ' & $job.name & ' has printed test_accuracy=' "
                    "& $string(($job.accuracies)[0]) & ', and its metrics.json has ' "
                    "& ($type($metrics.test_accuracy) = 'number' "
                    "? $string($metrics.test_accuracy) : 'none')",
                )
            ],
            "Default": "FindApproved",
        },
        "FindApproved": states.call(
            "aws-sdk:sagemaker:listModelPackages",
            {
                "ModelPackageGroupName": package_group,
                "ModelApprovalStatus": "Approved",
                "SortBy": "CreationTime",
                "SortOrder": "Descending",
                "MaxResults": _MAX_APPROVED,
            },
            assign={
                "approved": "{% [$states.result.ModelPackageSummaryList.ModelPackageArn] %}",
                "looked": 0,
                "baseline": {"versions": [], "accuracies": [], "splits": []},
            },
            catch=[states.catch("Looking for approved models")],
            then="IsAnotherApproved",
        ),
        # Until one was measured on the same test images.
        "IsAnotherApproved": {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": (
                        f"{{% $looked < $count($approved) and $not({_IS_COMPARABLE}) %}}"
                    ),
                    "Next": "DescribeApproved",
                }
            ],
            "Default": "Judge",
        },
        "DescribeApproved": states.call(
            "aws-sdk:sagemaker:describeModelPackage",
            {"ModelPackageName": "{% $approved[$looked] %}"},
            assign={"baseline": _BASELINE, "looked": "{% $looked + 1 %}"},
            catch=[states.catch("Describing an approved model")],
            then="IsAnotherApproved",
        ),
        "Judge": {
            "Type": "Pass",
            "Assign": {"verdict": _verdict(training)},
            "Next": "IsGoodEnough",
        },
        "IsGoodEnough": {
            "Type": "Choice",
            "Choices": [
                states.refuse(
                    f"$verdict.accuracy + {_TOLERANCE} < $verdict.required",
                    "BelowGate",
                    "'The test accuracy of the training job ' & $job.name & ' is ' "
                    "& $string($verdict.accuracy) & ', expected at least ' "
                    "& $string($verdict.required) & $verdict.reason",
                )
            ],
            "Default": then,
        },
    }


def _verdict(training: TrainingSettings) -> str:
    """Return an expression for the accuracy, what it must be, why, and what it is compared with."""
    minimum, loss = training.minimum_test_accuracy, training.maximum_accuracy_loss
    return (
        f"{{% ( $comparable := {_IS_COMPARABLE}; "
        f"$kept := $comparable ? $round(($baseline.accuracies)[0] - {loss}, {_DIGITS}) : 0; "
        "{ "
        f"'accuracy': $round(($job.accuracies)[0], {_DIGITS}), "
        f"'required': $max([{minimum}, $kept]), "
        f"'reason': $kept > {minimum} "
        "? ': the approved package ' & ($baseline.versions)[0] & ' has ' "
        "& $string(($baseline.accuracies)[0]) "
        f"& ' on the same images, less training.maximum_accuracy_loss = {loss}' "
        ": ' (training.minimum_test_accuracy)' & ($comparable ? '' "
        ": $looked = 0 ? '; no package is approved yet' "
        ": '; not compared: no approved package was measured on the same test images'), "
        f"'compared_with': $looked = 0 ? '{NOTHING_APPROVED}' "
        f": $comparable ? ($baseline.versions)[0] : '{NOT_COMPARABLE}' "
        "} ) %}"
    )
