"""The web ACL of the API's stage."""

from aws_cdk import Fn
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

# AWS managed rule groups: the namespace of their labels, and their rules that inspect the body
# (docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html).
# WAF ignores a rule name that a group does not have.
MANAGED_GROUPS = {
    "AWSManagedRulesCommonRuleSet": (
        "core-rule-set",
        (
            "SizeRestrictions_BODY",
            "EC2MetaDataSSRF_BODY",
            "GenericLFI_BODY",
            "GenericRFI_BODY",
            "CrossSiteScripting_BODY",
        ),
    ),
    "AWSManagedRulesKnownBadInputsRuleSet": (
        "known-bad-inputs",
        ("JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"),
    ),
}
_WINDOW_SECONDS = 60
_FORWARDED_FOR = "x-forwarded-for"
_Acl = wafv2.CfnWebACL
_Statement = _Acl.StatementProperty


class Firewall(Construct):
    """AWS's common rules and known bad inputs, and a rate limit for each address.

    A match of a rule that inspects the body blocks a request, but in `POST /predict` it is only
    counted: the bytes of an image can match any pattern. The client's address is the first one in
    X-Forwarded-For, if there is one: behind CloudFront the source address is CloudFront's. A
    client that forges this header can evade the limit for its address, but not the usage plan's
    limits.

    Attributes:
        name: of the web ACL, the dimension WebACL of its metrics. CloudFormation generates it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage_arn: str,
        requests_per_minute_per_address: int,
    ) -> None:
        super().__init__(scope, construct_id)
        statements = {
            **_address_limits(requests_per_minute_per_address),
            **{group: _managed(group) for group in MANAGED_GROUPS},
            "BodiesElsewhere": _and(_body_labels(), _not(_is_predict())),
        }
        acl = _Acl(
            self,
            "WebAcl",
            description="Protects the stage of the API",
            scope="REGIONAL",
            default_action=_Acl.DefaultActionProperty(allow={}),
            rules=[
                _rule(priority, name, statement)
                for priority, (name, statement) in enumerate(statements.items())
            ],
            visibility_config=_visibility("Firewall"),
        )
        wafv2.CfnWebACLAssociation(
            self, "Association", resource_arn=stage_arn, web_acl_arn=acl.attr_arn
        )
        # Ref is the name, the id and the scope (docs.aws.amazon.com/AWSCloudFormation/latest/
        # UserGuide/aws-resource-wafv2-webacl.html). A name of our own would replace the web ACL of
        # a deployed stage, and the end of the old association would detach the new one.
        self.name = Fn.select(0, Fn.split("|", acl.ref))


def _rule(priority: int, name: str, statement: _Acl.StatementProperty) -> _Acl.RuleProperty:
    visibility = _visibility(name)
    if name in MANAGED_GROUPS:
        # "none" keeps the actions of a group's own rules.
        keep = _Acl.OverrideActionProperty(none={})
        return _Acl.RuleProperty(
            name=name,
            priority=priority,
            statement=statement,
            visibility_config=visibility,
            override_action=keep,
        )
    return _Acl.RuleProperty(
        name=name,
        priority=priority,
        statement=statement,
        visibility_config=visibility,
        action=_Acl.RuleActionProperty(block={}),
    )


def _visibility(name: str) -> _Acl.VisibilityConfigProperty:
    return _Acl.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True,
        metric_name=name,
        sampled_requests_enabled=False,  # samples contain all headers, including API keys
    )


def _address_limits(requests_per_minute: int) -> dict[str, _Acl.StatementProperty]:
    """Return two limits: by forwarded address, and by source address for requests without one."""
    forwarded = _Acl.RateBasedStatementProperty(
        limit=requests_per_minute,
        evaluation_window_sec=_WINDOW_SECONDS,
        aggregate_key_type="FORWARDED_IP",
        forwarded_ip_config=_Acl.ForwardedIPConfigurationProperty(
            header_name=_FORWARDED_FOR, fallback_behavior="NO_MATCH"
        ),
    )
    own = _Acl.RateBasedStatementProperty(
        limit=requests_per_minute,
        evaluation_window_sec=_WINDOW_SECONDS,
        aggregate_key_type="IP",
        scope_down_statement=_not(_is_forwarded()),
    )
    return {
        "ForwardedAddressLimit": _Statement(rate_based_statement=forwarded),
        "AddressLimit": _Statement(rate_based_statement=own),
    }


def _managed(group: str) -> _Acl.StatementProperty:
    count = _Acl.RuleActionProperty(count={})
    _, body_rules = MANAGED_GROUPS[group]
    return _Statement(
        managed_rule_group_statement=_Acl.ManagedRuleGroupStatementProperty(
            vendor_name="AWS",
            name=group,
            rule_action_overrides=[
                _Acl.RuleActionOverrideProperty(name=name, action_to_use=count)
                for name in body_rules
            ],
        )
    )


def _body_labels() -> _Acl.StatementProperty:
    labels = [
        f"awswaf:managed:aws:{namespace}:{rule.replace('_BODY', '_Body')}"
        for namespace, rules in MANAGED_GROUPS.values()
        for rule in rules
    ]
    matches = [
        _Statement(label_match_statement=_Acl.LabelMatchStatementProperty(scope="LABEL", key=label))
        for label in labels
    ]
    return _Statement(or_statement=_Acl.OrStatementProperty(statements=matches))


def _is_predict() -> _Acl.StatementProperty:
    # At API Gateway's own host the path starts with the stage's name, at a custom domain not.
    path = _Acl.FieldToMatchProperty(uri_path={})
    method = _Acl.FieldToMatchProperty(method={})
    return _and(_text(path, "ENDS_WITH", "/predict"), _text(method, "EXACTLY", "POST"))


def _is_forwarded() -> _Acl.StatementProperty:
    header = _Acl.FieldToMatchProperty(single_header={"Name": _FORWARDED_FOR})
    size = _Acl.SizeConstraintStatementProperty(
        comparison_operator="GT",
        size=0,
        field_to_match=header,
        text_transformations=_as_they_are(),
    )
    return _Statement(size_constraint_statement=size)


def _text(field: _Acl.FieldToMatchProperty, constraint: str, text: str) -> _Acl.StatementProperty:
    match = _Acl.ByteMatchStatementProperty(
        field_to_match=field,
        positional_constraint=constraint,
        search_string=text,
        text_transformations=_as_they_are(),
    )
    return _Statement(byte_match_statement=match)


def _as_they_are() -> list[_Acl.TextTransformationProperty]:
    return [_Acl.TextTransformationProperty(priority=0, type="NONE")]


def _and(*statements: _Acl.StatementProperty) -> _Acl.StatementProperty:
    return _Statement(and_statement=_Acl.AndStatementProperty(statements=list(statements)))


def _not(statement: _Acl.StatementProperty) -> _Acl.StatementProperty:
    return _Statement(not_statement=_Acl.NotStatementProperty(statement=statement))
