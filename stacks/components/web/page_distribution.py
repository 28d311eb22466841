"""The CloudFront distribution of the page and the API."""

from collections.abc import Iterable
from typing import Any, Final

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.shared.acknowledgement import acknowledge
from stacks.components.web.not_found import not_found_code
from stacks.settings.web import WebSettings

API_PATH = "/api"


def content_security_policy(upload_origin: str | None = None) -> str:
    """Return the header of the page, which has no inline scripts or styles.

    Args:
        upload_origin: where the page uploads large images; None: it uses nothing of other sites.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            f"connect-src 'self' {upload_origin}" if upload_origin else "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )


_STRICT_TRANSPORT_DAYS: Final = 365
# A function's own response has only the headers that the function sets.
_NOT_FOUND_HEADERS: Final = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": content_security_policy(),
    "referrer-policy": "no-referrer",
    "strict-transport-security": f"max-age={_STRICT_TRANSPORT_DAYS * 24 * 3600}",
    "x-content-type-options": "nosniff",
}
# RestApiOrigin adds the API's stage in front of the path, but does not remove /api.
STRIP_API_PATH = """\
function handler(event) {
  var request = event.request;
  request.uri = request.uri.replace(/^\\/api(?=\\/|$)/, '') || '/';
  return request;
}
"""
_LOG_PREFIX = "distribution/"
# CloudFront caches these for 10 seconds by default, whatever Cache-Control says
# (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html):
# an error of `GET /health` for one caller would be returned to all others.
_CACHED_ERROR_STATUSES = (400, 403, 404, 405, 414, 500, 501, 502, 503, 504)


class PageDistribution(Construct):
    """Serves the page from a private bucket, and the API under `/api` of the same origin.

    Errors are neither cached nor replaced by an error page: CloudFront would replace 403 and 404
    of the API too. A path that the page does not have gets its 404 from a function.

    Attributes:
        distribution: the distribution.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: WebSettings,
        bucket: s3.IBucket,
        logs_bucket: s3.IBucket,
        api: apigateway.RestApi,
        files: Iterable[str],
        not_found_page: str,
        upload_origin: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._not_found_code = not_found_code(files, not_found_page, _NOT_FOUND_HEADERS)
        # These names must be unique in the account. CDK's defaults do not contain the region, or
        # differ in a pipeline; so do those of the origins.
        self._regional_name = f"{Stack.of(self).stack_name}-{Aws.REGION}"
        headers = self._headers(content_security_policy(upload_origin))
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment="Page and API of an image classifier",
            default_root_object="index.html",
            default_behavior=self._page(bucket, headers),
            additional_behaviors={f"{API_PATH}/*": self._api(api, headers)},
            error_responses=[
                cloudfront.ErrorResponse(http_status=status, ttl=Duration.seconds(0))
                for status in _CACHED_ERROR_STATUSES
            ],
            price_class=cloudfront.PriceClass[f"PRICE_CLASS_{settings.price_class.upper()}"],
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            **self._domain(settings),
            enable_logging=True,
            log_bucket=logs_bucket,
            log_file_prefix=_LOG_PREFIX,
        )
        self._acknowledge_findings(settings)

    def _page(
        self, bucket: s3.IBucket, headers: cloudfront.ResponseHeadersPolicy
    ) -> cloudfront.BehaviorOptions:
        return cloudfront.BehaviorOptions(
            origin=origins.S3BucketOrigin.with_origin_access_control(
                bucket,
                origin_id="page",
                origin_access_control=cloudfront.S3OriginAccessControl(
                    self, "AccessControl", origin_access_control_name=self._regional_name
                ),
            ),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
            # Supports gzip and Brotli; each file's Cache-Control decides how long it is cached.
            cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
            compress=True,
            response_headers_policy=headers,
            function_associations=[
                self._at_request(
                    "NotFound", "not-found", "Returns 404 for other files", self._not_found_code
                )
            ],
        )

    def _api(
        self, api: apigateway.RestApi, headers: cloudfront.ResponseHeadersPolicy
    ) -> cloudfront.BehaviorOptions:
        return cloudfront.BehaviorOptions(
            origin=origins.RestApiOrigin(
                api,
                origin_id="api",
                # Above API Gateway's 29 seconds, so that the caller gets its response.
                read_timeout=Duration.seconds(30),
            ),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            # API Gateway selects the API by the Host header, so it cannot be the viewer's.
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
            response_headers_policy=headers,
            function_associations=[
                self._at_request(
                    "StripApiPath", "strip-api-path", "Removes /api from the path", STRIP_API_PATH
                )
            ],
        )

    def _at_request(
        self, construct_id: str, name: str, comment: str, code: str
    ) -> cloudfront.FunctionAssociation:
        function = cloudfront.Function(
            self,
            construct_id,
            function_name=f"{self._regional_name}-{name}",
            comment=comment,
            code=cloudfront.FunctionCode.from_inline(code),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
        return cloudfront.FunctionAssociation(
            function=function, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST
        )

    def _headers(self, policy: str) -> cloudfront.ResponseHeadersPolicy:
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            response_headers_policy_name=self._regional_name,
            comment="Security headers of the page and the API",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=policy, override=True
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=Duration.days(_STRICT_TRANSPORT_DAYS),
                    include_subdomains=False,  # subdomains of a custom domain may be other sites
                    override=True,
                ),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=header, value=value, override=True)
                    for header, value in (
                        ("Cross-Origin-Opener-Policy", "same-origin"),
                        ("Permissions-Policy", "camera=(self), geolocation=(), microphone=()"),
                    )
                ]
            ),
        )

    def _domain(self, settings: WebSettings) -> dict[str, Any]:
        if settings.domain_name is None or settings.certificate_arn is None:
            return {}  # CloudFront's default certificate, with fixed protocol versions
        return {
            "domain_names": [settings.domain_name],
            "certificate": acm.Certificate.from_certificate_arn(
                self, "Certificate", settings.certificate_arn
            ),
            "minimum_protocol_version": cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        }

    def _acknowledge_findings(self, settings: WebSettings) -> None:
        acknowledge(
            self.distribution,
            "CFR1",
            reason="Access is restricted by API keys, not by country",
        )
        acknowledge(
            self.distribution,
            "CFR2",
            reason="The page is a few static files; everything that costs money is behind the "
            "API's keys, throttles and firewall",
        )
        if settings.certificate_arn is None:
            acknowledge(
                self.distribution,
                "CFR4",
                reason="CloudFront's default domain name uses its default certificate; with "
                "web.domain_name and web.certificate_arn the minimum is TLS 1.2",
            )
