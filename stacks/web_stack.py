"""The web page: a private bucket behind CloudFront."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aws_cdk import CfnOutput, DefaultStackSynthesizer, Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from classifier_proxy.image_checks import MAX_IMAGE_BYTES, MAX_PIXELS
from stacks.api_stack import ApiStack
from stacks.components.shared.bucket_removal import with_removal_policy
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.shared.published_values import publish
from stacks.components.web.page_content import PageContent
from stacks.components.web.page_distribution import API_PATH, PageDistribution
from stacks.components.web.page_files import MODEL_FILE, NOT_FOUND_FILE, SETTINGS_FILE, write_page
from stacks.inputs import Inputs
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack, removal_policy
from stacks.storage_stack import StorageStack

_TOP_K = 5
_LOCAL = "local"


class WebStack(StageStack):
    """The web page with its bucket, distribution and logs.

    Attributes:
        distribution: serves the page, and the API under /api.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        storage: StorageStack,
        api: ApiStack,
        inputs: Inputs,
    ) -> None:
        assets = f"{settings.name}/web/"
        super().__init__(
            scope,
            settings=settings,
            purpose="web",
            description="Whippet: page and CloudFront",
            # The publisher may read the S3 keys with this prefix: the stage's pages.
            synthesizer=DefaultStackSynthesizer(bucket_prefix=assets),
        )
        logs = self._logs_bucket(settings)
        page = self._page_bucket(logs)
        log_group = encrypted_log_group(
            self, "PublisherLogs", key=storage.key, retention_days=settings.log_retention_days
        )
        samples = _samples(settings, inputs)
        with TemporaryDirectory() as folder:
            directory = Path(folder) / "page"
            files = write_page(
                directory,
                bundle=inputs.page_directory,
                model=inputs.model,
                samples=samples,
            )
            PageContent(
                self,
                "Page",
                bucket=page,
                page_directory=directory,
                page_settings=_page_settings(settings, inputs, has_samples=bool(samples)),
                log_group=log_group,
                asset_keys=f"{assets}*.zip",
                asset_key_arn=settings.asset_key_arn,
            )
        self.distribution = PageDistribution(
            self,
            "Cdn",
            settings=settings.web,
            bucket=page,
            logs_bucket=logs,
            api=api.api.api,
            files=[*files, SETTINGS_FILE],
            not_found_page=(inputs.page_directory / NOT_FOUND_FILE).read_text(encoding="utf-8"),
            upload_origin=_upload_origin(settings, storage),
        ).distribution
        name = self.distribution.distribution_domain_name
        page_url = f"https://{settings.web.domain_name or name}/"
        CfnOutput(self, "PageUrl", value=page_url)
        publish(self, settings.name, page_url=page_url)
        if settings.web.domain_name is not None:
            CfnOutput(self, "PageDomainTarget", value=name)

    def _logs_bucket(self, settings: StageSettings) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Logs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            # CloudFront needs an ACL to deliver its logs.
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(settings.storage.access_log_retention_days),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
        )
        return with_removal_policy(bucket, removal_policy(settings))

    def _page_bucket(self, logs: s3.Bucket) -> s3.Bucket:
        return s3.Bucket(
            self,
            "PageBucket",
            # Not the stage's KMS key: its policy would need the distribution's ARN, a cycle.
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            server_access_logs_bucket=logs,
            server_access_logs_prefix="bucket/",
            # All content is in the repository, and `PageContent` empties it before its deletion.
            removal_policy=RemovalPolicy.DESTROY,
        )


def _upload_origin(settings: StageSettings, storage: StorageStack) -> str | None:
    if storage.uploads is None or not settings.page_uploads:
        return None
    return f"https://{storage.uploads.bucket.bucket_regional_domain_name}"


def _page_settings(settings: StageSettings, inputs: Inputs, *, has_samples: bool) -> dict[str, Any]:
    uploads = {"maxBytes": settings.api.max_upload_bytes, "maxPixels": MAX_PIXELS}
    return {
        "apiBase": API_PATH,
        "openapi": "openapi.json",
        "modelFile": MODEL_FILE,
        "maxBytes": MAX_IMAGE_BYTES,
        "inputPixels": inputs.model.resize_pixels,
        "model": {"name": inputs.model.name, "version": inputs.model.version},
        "topK": _TOP_K,
        # Larger images than `maxBytes`, up to these bounds, are uploaded as they are.
        **({"uploads": uploads} if settings.page_uploads else {}),
        # Their room is kept until the model's file is loaded: nothing below them may move.
        "hasSamples": has_samples,
        # `make up` prints a link with the key; of a key that matters no link is made.
        "keyInLink": settings.stage == _LOCAL,
    }


def _samples(settings: StageSettings, inputs: Inputs) -> Sequence[Path]:
    """Return the samples that a person chose; on a laptop else those of the model's artifact.

    The artifact's samples are images of the training data, which may not be public.
    """
    folder = inputs.samples_directory / settings.stage
    chosen = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
    return chosen or (inputs.model.samples if settings.stage == _LOCAL else ())
