"""Where the archive of a stage's model is."""

from aws_cdk import AssetHashType
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.storage.buckets import Buckets


def artifact_url(
    scope: Construct, construct_id: str, *, model: ModelArtifact, buckets: Buckets
) -> str:
    """Return the S3 address of a model's archive, which has the sha256 of its bytes.

    Args:
        scope: the parent of the asset that a model without a lock becomes.
        construct_id: of that asset.
        model: the model.
        buckets: of the stage; that of models has the archive that a lock names.
    """
    if model.lock is not None:
        return buckets.models.s3_url_for_object(model.lock.key)
    return s3_assets.Asset(
        scope,
        construct_id,
        path=str(model.archive),
        asset_hash=model.sha256,
        asset_hash_type=AssetHashType.CUSTOM,
    ).s3_object_url
