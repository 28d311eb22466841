"""The web ACL's template, because the emulator does not evaluate web ACLs."""

import pytest

from stacks.components.api.firewall import MANAGED_GROUPS
from tests.stacks.assembly import Assembly, Json, flatten, walk

WEB_ACL = "AWS::WAFv2::WebACL"
ASSOCIATION = "AWS::WAFv2::WebACLAssociation"
COMMON = "AWSManagedRulesCommonRuleSet"
BAD_INPUTS = "AWSManagedRulesKnownBadInputsRuleSet"
# As the groups' documentation lists them.
BODY_RULES = {
    COMMON: {
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "SizeRestrictions_BODY",
    },
    BAD_INPUTS: {"JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"},
}


def rules(prod: Assembly) -> dict[str, Json]:
    return {each["Name"]: each for each in prod.resource("api", WEB_ACL).properties["Rules"]}


@pytest.mark.parametrize("stage", ["local", "dev"])
def test_there_is_no_firewall_if_the_stage_disables_it(
    assemblies: dict[str, Assembly], stage: str
) -> None:
    assert not assemblies[stage].resources("api", WEB_ACL)
    assert not assemblies[stage].resources("api", ASSOCIATION)


def test_the_firewall_is_attached_to_the_apis_stage(prod: Assembly) -> None:
    acl = prod.resource("api", WEB_ACL)
    assert acl.properties["Scope"] == "REGIONAL"
    assert acl.properties["DefaultAction"] == {"Allow": {}}
    association = prod.resource("api", ASSOCIATION).properties
    assert association["WebACLArn"] == {"Fn::GetAtt": [acl.logical_id, "Arn"]}
    api = prod.resource("api", "AWS::ApiGateway::RestApi").logical_id
    stage = prod.resource("api", "AWS::ApiGateway::Stage").logical_id
    assert flatten(association["ResourceArn"]).endswith(f"::/restapis/<{api}>/stages/<{stage}>")


@pytest.mark.parametrize("group", [COMMON, BAD_INPUTS])
def test_a_managed_group_blocks_except_with_its_body_rules(prod: Assembly, group: str) -> None:
    rule = rules(prod)[group]
    assert rule["OverrideAction"] == {"None": {}}
    statement = rule["Statement"]["ManagedRuleGroupStatement"]
    assert (statement["VendorName"], statement["Name"]) == ("AWS", group)
    # A scope-down would leave paths without the other rules.
    assert "ScopeDownStatement" not in statement
    overrides = {each["Name"]: each["ActionToUse"] for each in statement["RuleActionOverrides"]}
    assert overrides == {name: {"Count": {}} for name in BODY_RULES[group]}


def test_matches_of_body_rules_block_all_requests_except_post_predict(prod: Assembly) -> None:
    found = rules(prod)
    rule = found["BodiesElsewhere"]
    assert rule["Action"] == {"Block": {}}
    # Labels are there once the groups have run.
    assert rule["Priority"] > max(found[group]["Priority"] for group in BODY_RULES)
    labelled, outside = rule["Statement"]["AndStatement"]["Statements"]
    labels = {each["LabelMatchStatement"]["Key"] for each in labelled["OrStatement"]["Statements"]}
    assert labels == {
        f"awswaf:managed:aws:{namespace}:{name.removesuffix('_BODY')}_Body"
        for namespace, names in MANAGED_GROUPS.values()
        for name in names
    }
    path, method = outside["NotStatement"]["Statement"]["AndStatement"]["Statements"]
    assert path["ByteMatchStatement"]["FieldToMatch"] == {"UriPath": {}}
    assert path["ByteMatchStatement"]["SearchString"] == "/predict"
    # The stage's name comes first at API Gateway's own host.
    assert path["ByteMatchStatement"]["PositionalConstraint"] == "ENDS_WITH"
    assert method["ByteMatchStatement"]["FieldToMatch"] == {"Method": {}}
    assert method["ByteMatchStatement"]["SearchString"] == "POST"
    assert method["ByteMatchStatement"]["PositionalConstraint"] == "EXACTLY"


def test_addresses_are_limited_by_the_forwarded_one_or_else_their_own(prod: Assembly) -> None:
    found = rules(prod)
    forwarded = found["ForwardedAddressLimit"]["Statement"]["RateBasedStatement"]
    own = found["AddressLimit"]["Statement"]["RateBasedStatement"]
    for rule in ("ForwardedAddressLimit", "AddressLimit"):
        assert found[rule]["Action"] == {"Block": {}}
    for statement in (forwarded, own):
        limit = prod.settings.api.firewall_requests_per_minute_per_address
        assert (statement["Limit"], statement["EvaluationWindowSec"]) == (limit, 60)
    assert forwarded["AggregateKeyType"] == "FORWARDED_IP"
    # MATCH would block every request whose header has no address.
    assert forwarded["ForwardedIPConfig"] == {
        "HeaderName": "x-forwarded-for",
        "FallbackBehavior": "NO_MATCH",
    }
    assert own["AggregateKeyType"] == "IP"
    # Behind CloudFront the source address is CloudFront's.
    present = own["ScopeDownStatement"]["NotStatement"]["Statement"]["SizeConstraintStatement"]
    assert present["FieldToMatch"] == {"SingleHeader": {"Name": "x-forwarded-for"}}
    assert (present["ComparisonOperator"], present["Size"]) == ("GT", 0)


def test_requests_are_counted_and_never_sampled_since_samples_show_keys(prod: Assembly) -> None:
    configurations = [
        each["VisibilityConfig"]
        for each in walk(prod.resource("api", WEB_ACL).properties)
        if isinstance(each, dict) and "VisibilityConfig" in each
    ]
    assert len(configurations) == len(rules(prod)) + 1
    for each in configurations:
        assert each["SampledRequestsEnabled"] is False
        assert each["CloudWatchMetricsEnabled"] is True
    assert len({each["MetricName"] for each in configurations}) == len(configurations)


def test_rules_run_in_a_set_order(prod: Assembly) -> None:
    found = rules(prod).values()
    assert sorted(each["Priority"] for each in found) == list(range(len(found)))
