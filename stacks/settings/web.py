"""The settings of the page."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.settings.base import Settings, text
from stacks.settings.host_names import HOST_NAME, MAX_HOST_NAME_CHARACTERS

DomainName = Annotated[
    str,
    text(HOST_NAME, "a host name such as images.example.com"),
    Field(max_length=MAX_HOST_NAME_CHARACTERS),
]
# CloudFront accepts certificates only from this region, wherever the stage is.
CertificateArn = Annotated[
    str,
    text(
        r"arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]+",
        "the ARN of a certificate of Certificate Manager in us-east-1",
    ),
]


PageOrigin = Annotated[
    str,
    text(rf"https://{HOST_NAME}", "an origin such as https://d111111abcdef8.cloudfront.net"),
    Field(max_length=MAX_HOST_NAME_CHARACTERS),
]


class WebSettings(Settings):
    """The page and its CloudFront distribution."""

    enabled: bool = Field(default=True, description="Whether the stage has the page.")
    price_class: Literal["100", "200", "all"] = Field(
        default="100",
        description="CloudFront edges: `100` is North America and Europe, `200` adds Asia, the "
        "Middle East and Africa, `all` is every edge.",
        json_schema_extra={"expected": 'one of "100", "200", "all", quoted'},
    )
    domain_name: DomainName | None = Field(
        default=None,
        description="Host name of the page, together with `certificate_arn`. Not set: the page has "
        "an address of CloudFront.",
    )
    certificate_arn: CertificateArn | None = Field(
        default=None, description="Certificate of `domain_name`."
    )

    origin: PageOrigin | None = Field(
        default=None,
        description="Origin of the page, as the first deployment prints it, from which browsers "
        "may then upload large images (`api.uploads_enabled`). A page with a `domain_name` needs "
        "none. Without either the page makes large images smaller, as without uploads.",
    )

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        if self.origin is not None and self.domain_name is not None:
            raise ValueError(
                f"web.origin = {self.origin!r}: expected none with web.domain_name: the page's "
                f"origin is https://{self.domain_name}"
            )
        return self

    @model_validator(mode="after")
    def _check_domain(self) -> Self:
        if (self.domain_name is None) != (self.certificate_arn is None):
            raise ValueError("web.domain_name and web.certificate_arn: expected both or neither")
        return self
