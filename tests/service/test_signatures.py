"""Who sent a webhook is proven: the vendors' own vectors pass, and nothing else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.mapping.load import load_mapping
from pipelines.mapping.webhook import Webhook
from pipelines.service.webhooks.signatures import SCHEMES, BadSignature, Delivery, public_url, signed_uri, verify
from pipelines.service.webhooks.xml_body import NotReadable, parse_xml

V3 = Webhook(scheme="hmac_sha256_v3", signature_header="X-Signature-v3", timestamp_header="X-Timestamp")
OVER_BASE64 = Webhook(scheme="hmac_sha256_hex_of_base64", signature_header="FUB-Signature")
SHA512 = Webhook(scheme="hmac_sha512_timestamped", signature_header="X-Sig")
IN_BODY = Webhook(scheme="token_in_body", proof="token")
ACCOUNT = Webhook(scheme="xml_account_id", proof="OrganizationId")
KEY = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
MOMENT = "1693657560000"


def delivery(body: bytes, headers: dict[str, str] | None = None, *, now: float = 1693657560.0, **more: str) -> Delivery:
    low = {k.lower(): v for k, v in (headers or {}).items()}
    return Delivery(more.get("method", "POST"), more.get("url", "https://www.example.com/webhook_uri"), low, body, now)


# Source: the vendor's client, hubspot-api-python, tests/spec/utils/test_signature.py (single quotes as there).
VECTOR = b"{'example_field':'example_value'}"
VECTOR_V1 = "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750"
VECTOR_V3 = "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="


def prove(webhook: Webhook, secret: str, sent: Delivery) -> None:
    SCHEMES[webhook.scheme].prove(webhook, secret, sent, None)


def expect_refused(webhook: Webhook, secret: str | None, sent: Delivery) -> None:
    with pytest.raises(BadSignature) as refused:
        verify(webhook, secret, sent)
    assert not secret or secret not in str(refused.value)


def test_the_vendors_vector_of_version_3_passes() -> None:
    headers = {"X-Signature-v3": VECTOR_V3, "X-Timestamp": MOMENT}
    prove(V3, KEY, delivery(VECTOR, headers))
    expect_refused(V3, KEY, delivery(VECTOR + b" ", headers))
    expect_refused(V3, KEY + "z", delivery(VECTOR, headers))
    expect_refused(V3, KEY, delivery(VECTOR, headers, method="PUT"))
    expect_refused(V3, KEY, delivery(VECTOR, headers, url="https://www.example.com/webhook_uri?x=1"))


def test_the_vendors_vector_of_version_1_passes() -> None:
    webhook = Webhook(scheme="sha256_of_secret_and_body", signature_header="X-Signature")
    prove(webhook, KEY, delivery(VECTOR, {"X-Signature": VECTOR_V1}))
    expect_refused(webhook, KEY, delivery(b"[]", {"X-Signature": VECTOR_V1}))


@pytest.mark.parametrize("seconds", [301, -301, 86_400])
def test_a_moment_that_is_more_than_five_minutes_away_is_refused(seconds: int) -> None:
    headers = {"X-Signature-v3": VECTOR_V3, "X-Timestamp": MOMENT}
    prove(V3, KEY, delivery(VECTOR, headers, now=1693657560 + 299))
    expect_refused(V3, KEY, delivery(VECTOR, headers, now=1693657560 + seconds))


def test_escapes_in_the_address_are_decoded_as_the_vendor_says() -> None:
    assert signed_uri("https://a.example/x%3A%2f%40?q=%20%253A%2C") == "https://a.example/x:/@?q=%20%253A,"


def test_a_public_address_replaces_the_one_behind_the_proxy() -> None:
    seen = "http://127.0.0.1:8000/api/webhooks/a?x=1"
    assert public_url("/api/webhooks/a?x=1", None, seen) == seen
    assert public_url("/api/webhooks/a?x=1", "https://crm.example/", seen) == "https://crm.example/api/webhooks/a?x=1"


def test_the_signature_over_the_base64_of_the_body_passes() -> None:
    """Computed by the vendor's rule (docs.followupboss.com, webhooks guide); no vector of the vendor is published."""
    body = (
        b'{"eventId":"7f6a2c1e-0b5d-4a53-9d0c-3a6f8b1c2d3e","eventCreated":"2026-08-01T12:00:00+00:00",'
        b'"event":"peopleUpdated","resourceIds":[501],"uri":"https://api.followupboss.com/v1/people/501"}'
    )
    signature = "3a35f84bf5a5ff53eb7ce34cd6a85358889aa4c576073d979c73f22820b99db8"
    assert verify(OVER_BASE64, "sys-key-123", delivery(body, {"FUB-Signature": signature}))["resourceIds"] == [501]
    expect_refused(OVER_BASE64, "sys-key-123", delivery(body + b"\n", {"FUB-Signature": signature}))
    expect_refused(OVER_BASE64, "sys-key-124", delivery(body, {"FUB-Signature": signature}))
    expect_refused(OVER_BASE64, "sys-key-123", delivery(body))


def test_the_timestamped_sha512_passes_in_hex_and_in_base64() -> None:
    """UNVERIFIED which of the two the vendor sends."""
    body = b'{"event":"contact.merge","data":{"id":7}}'
    digest = hmac.new(b"key", MOMENT.encode() + b"." + body, hashlib.sha512).digest()
    for written in (digest.hex(), base64.b64encode(digest).decode()):
        sent = delivery(body, {"X-Sig": f"t={MOMENT},sha512={written}"})
        assert verify(SHA512, "key", sent)["data"] == {"id": 7}
    expect_refused(SHA512, "key", delivery(body, {"X-Sig": f"t=1693657560001,sha512={digest.hex()}"}))
    expect_refused(SHA512, "key", delivery(body, {"X-Sig": f"t={MOMENT},sha512={digest.hex()}"}, now=1693657560 + 400))
    expect_refused(SHA512, "key", delivery(body, {"X-Sig": "nonsense"}))


@pytest.mark.parametrize("body", [b'{"token":"right"}', b'{"token":"right","ids":["1"]}'])
def test_a_token_in_the_body_passes(body: bytes) -> None:
    assert verify(IN_BODY, "right", delivery(body))["token"] == "right"


@pytest.mark.parametrize("body", [b'{"token":"wrong"}', b"{}", b"[]", b'{"token":5}', b'{"token":null}', b'"right"'])
def test_another_token_does_not(body: bytes) -> None:
    expect_refused(IN_BODY, "right", delivery(body))


def test_basic_and_bearer() -> None:
    basic, bearer = Webhook(scheme="basic"), Webhook(scheme="bearer")
    authorization = "Basic " + base64.b64encode(b"crm:pass:word").decode()
    assert verify(basic, "crm:pass:word", delivery(b"{}", {"Authorization": authorization})) == {}
    expect_refused(basic, "crm:other", delivery(b"{}", {"Authorization": authorization}))
    expect_refused(basic, "crm:pass:word", delivery(b"{}", {"Authorization": "Basic ???"}))
    assert verify(bearer, "token-1", delivery(b"{}", {"Authorization": "Bearer token-1"})) == {}
    expect_refused(bearer, "token-1", delivery(b"{}", {"Authorization": "Bearer token-2"}))


OUTBOUND = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
 <notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00Dxx0000001gPLEAY</OrganizationId>
 <ActionId>04kxx0000000001AAA</ActionId><SessionId>x</SessionId>
 <Notification><Id>04lxx0000000001AAA</Id><sObject xsi:type="sf:Contact"
 xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>003xx000004TmiQAAS</sf:Id>
 <sf:LastName>Lima &amp; S&#246;hne</sf:LastName></sObject></Notification>{more}
 </notifications></soapenv:Body></soapenv:Envelope>"""
SECOND = """<Notification><Id>04lxx0000000002AAA</Id><sObject xsi:type="sf:Contact"
 xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>003xx000004TmiRAAS</sf:Id></sObject></Notification>"""


def test_an_outbound_message_is_read_and_its_account_compared() -> None:
    body = OUTBOUND.replace("{more}", SECOND).encode()
    for organization in ("00Dxx0000001gPLEAY", "00Dxx0000001gPL"):
        said = verify(ACCOUNT, organization, delivery(body))
        assert [n["sObject"]["Id"] for n in said["Notification"]] == ["003xx000004TmiQAAS", "003xx000004TmiRAAS"]
        assert said["Notification"][0]["sObject"]["LastName"] == "Lima & Söhne"
        assert said["Notification"][0]["sObject"]["type"] == "Contact"
    expect_refused(ACCOUNT, "00Dxx0000001gpLEAY", delivery(body))
    assert SCHEMES["xml_account_id"].acknowledgement is not None
    assert "<Ack>true</Ack>" in SCHEMES["xml_account_id"].acknowledgement[1]


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 200 + b"</a>" * 200,
        b"<a><b></a>",
        b"",
        b"\xff\xfe",
    ],
)
def test_xml_that_could_do_harm_is_not_read(body: bytes) -> None:
    with pytest.raises(NotReadable):
        parse_xml(body)


@pytest.mark.parametrize("webhook", [V3, OVER_BASE64, SHA512, IN_BODY, ACCOUNT, Webhook(scheme="basic")])
@pytest.mark.parametrize("secret", [None, ""])
def test_no_secret_means_closed(webhook: Webhook, secret: str | None) -> None:
    expect_refused(
        webhook, None if secret is None else secret or None, delivery(b'{"token":""}', {"Authorization": "Basic Og=="})
    )


@given(st.binary(max_size=200), st.text(max_size=40), st.sampled_from(sorted(SCHEMES)))
def test_garbage_is_refused_and_never_a_fault(body: bytes, signature: str, scheme: str) -> None:
    webhook = Webhook(scheme=scheme, signature_header="X-Sig", timestamp_header="X-Time", proof="token")
    sent = delivery(body, {"X-Sig": signature, "X-Time": MOMENT, "Authorization": signature})
    with pytest.raises((BadSignature, NotReadable)):
        verify(webhook, "a-secret-nobody-guesses", sent)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), st.text(min_size=1))
def test_what_is_signed_passes_and_one_bit_more_does_not(values: dict[str, object], key: str) -> None:
    body = json.dumps(values).encode()
    secret = key.encode("utf-8", "replace").decode()
    signature = hmac.new(secret.encode(), base64.b64encode(body), hashlib.sha256).hexdigest()
    assert verify(OVER_BASE64, secret, delivery(body, {"FUB-Signature": signature})) == values
    flipped = bytes([body[0] ^ 1]) + body[1:]
    expect_refused(OVER_BASE64, secret, delivery(flipped, {"FUB-Signature": signature}))


def test_every_mapping_with_a_webhook_gives_its_scheme_what_it_needs(project_root) -> None:  # type: ignore[no-untyped-def]
    found = 0
    for path in sorted((project_root / "mappings").glob("*.yml")):
        webhook = load_mapping(path).webhook
        if webhook is None:
            continue
        found += 1
        assert [n for n in SCHEMES[webhook.scheme].needs if getattr(webhook, n) is None] == [], path.name
        assert webhook.record or webhook.record_ids, path.name
    assert found >= 6
