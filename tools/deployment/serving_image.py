"""Describes and checks the serving image of a stage."""

import boto3
from botocore.exceptions import ClientError

from stacks.settings import instance_types
from stacks.settings.ecr_image import EcrImage, parse_image_uri
from stacks.settings.serving import ServingSettings
from tools.deployment.image_builder import builder_name, builder_problem

_NOT_THERE = {
    "ImageNotFoundException": "has no such image",
    "RepositoryNotFoundException": "does not exist",
}
_PULLING = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
)


def describe_image(serving: ServingSettings, *, account: str) -> str:
    """Return a description of the image, to follow "Serving with".

    Args:
        serving: the stage's settings.
        account: the account of the deployment.
    """
    machine = "GPU" if instance_types.has_gpu(serving.instance_type) else "CPU"
    if serving.image_uri is None:
        return (
            f"an image for {machine} types that {builder_name()} builds from model_code/, unless "
            "it is already in the account"
        )
    owner = parse_image_uri(serving.image_uri).account
    whose = (
        ""
        if owner == account
        else f". It belongs to the account {owner}: the policy of its repository must let "
        f"{account} pull it ({', '.join(_PULLING)})"
    )
    return f"the prebuilt image {serving.image_uri} on a {machine} type{whose}"


def image_problem(
    serving: ServingSettings, session: boto3.session.Session, *, account: str, region: str
) -> str | None:
    """Return why the image is not available, and what to do; None if it is or can be built.

    Args:
        serving: the stage's settings.
        session: creates the ECR client.
        account: the account of the deployment.
        region: the region of the deployment.
    """
    if serving.image_uri is None:
        return builder_problem()
    return _prebuilt_problem(serving.image_uri, session, account, region)


def _prebuilt_problem(
    uri: str, session: boto3.session.Session, account: str, region: str
) -> str | None:
    image = parse_image_uri(uri)
    if image.region != region:
        return (
            f"serving.image_uri is in {image.region} and the stage in {region}: SageMaker pulls "
            f"images only from its own region. Copy {uri} to a repository in {region}."
        )
    wanted = {"imageDigest": image.digest} if image.digest else {"imageTag": str(image.tag)}
    try:
        session.client("ecr", region_name=region).describe_images(
            registryId=image.account, repositoryName=image.repository, imageIds=[wanted]
        )
    except ClientError as error:
        return _refusal(error, image, uri, account)
    return None


def _refusal(error: ClientError, image: EcrImage, uri: str, account: str) -> str | None:
    code = error.response["Error"]["Code"]
    if code in _NOT_THERE:
        return (
            f"The repository {image.repository} of the account {image.account} in {image.region} "
            f"{_NOT_THERE[code]}: serving.image_uri = {uri}. Push the image, or remove the setting "
            "to build the image."
        )
    if code != "AccessDeniedException":
        raise error
    if image.account != account:
        # Another account may allow pulling but not ecr:DescribeImages.
        return None
    return (
        f"Your credentials may not describe serving.image_uri = {uri}: allow them "
        f"ecr:DescribeImages on the repository {image.repository}."
    )
