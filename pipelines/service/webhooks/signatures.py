"""Signature schemes of webhooks: each is registered once under a neutral name, and any mapping may name it.

A scheme proves who sent a delivery, in constant time, and answers with the body as values. Header names, where a token
stands, and how old a signed moment may be come from the mapping's `webhook` block. Without a secret nothing is proven.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipelines.extract.shape import select
from pipelines.mapping.webhook import Webhook
from pipelines.service.webhooks.xml_body import NotReadable, parse_xml


class BadSignature(Exception):  # noqa: N818 - says what was found
    """The sender is not proven; the text says why without the secret, and is for the log, not for the sender."""


@dataclass(frozen=True)
class Delivery:
    """One call of a CRM.

    Attributes:
        url: as the sender addressed it: behind a proxy the public address, query included.
        headers: names in small letters.
        now: seconds since 1970.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    now: float


@dataclass(frozen=True)
class Scheme:
    """A way to prove a delivery. `reads`: how its bodies become values."""

    prove: Callable[[Webhook, str, Delivery, Any], None]
    reads: Callable[[bytes], Any]
    acknowledgement: tuple[str, str] | None = None
    needs: tuple[str, ...] = ()


def verify(webhook: Webhook, secret: str | None, delivery: Delivery) -> Any:
    """The body as values, once its sender is proven.

    Raises:
        BadSignature: no secret is set, the signature is missing or wrong, or too old.
        NotReadable: the body cannot be read.
    """
    if not secret:
        raise BadSignature("no secret is set for this webhook, so nothing can be proven")
    scheme = SCHEMES[webhook.scheme]
    if "proof" in scheme.needs:  # what proves it stands in the body
        body = scheme.reads(delivery.body)
        scheme.prove(webhook, secret, delivery, body)
        return body
    scheme.prove(webhook, secret, delivery, None)
    return scheme.reads(delivery.body)


def parse_json(body: bytes) -> Any:
    """Strict JSON in UTF-8.

    Raises:
        NotReadable: it is none.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        raise NotReadable(f"not readable as JSON: {type(problem).__name__}") from None


def _no_number(_word: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _compare(given: str, *expected: str) -> None:
    """Constant time, whichever of the expected it is."""
    said = given.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(said, one.encode("utf-8", "surrogatepass")) for one in expected]
    if not any(matches):
        raise BadSignature("the signature does not fit")


def _header(delivery: Delivery, name: str | None) -> str:
    value = delivery.headers.get((name or "").lower(), "")
    if not value:
        raise BadSignature(f"the header {name} is missing")
    return value


def _fresh(milliseconds: str, webhook: Webhook, delivery: Delivery) -> None:
    if not re.fullmatch(r"[0-9]{10,16}", milliseconds):
        raise BadSignature("the signed moment is no number")
    if abs(delivery.now - int(milliseconds) / 1000) > webhook.tolerance:
        raise BadSignature("the signed moment is too far from now")


_DECODED = {f"%{ord(mark):02X}": mark for mark in ":/?@!$'()*,;"}


def signed_uri(url: str) -> str:
    """The address as version 3 of the signature takes it: some escapes decoded, the query's `?` left alone."""
    return re.sub(r"%[0-9A-Fa-f]{2}", lambda found: _DECODED.get(found[0].upper(), found[0]), url)


def _call_and_moment(webhook: Webhook, secret: str, delivery: Delivery, _body: Any) -> None:
    """base64(HMAC-SHA256(secret, method + address + body + moment)).

    Source: vendor docs, developers.hubspot.com request validation (doc), and its client's test vectors.
    """
    moment = _header(delivery, webhook.timestamp_header)
    given = _header(delivery, webhook.signature_header)
    _fresh(moment, webhook, delivery)
    start = (delivery.method.upper() + signed_uri(delivery.url)).encode()
    digest = hmac.digest(secret.encode(), start + delivery.body + moment.encode(), "sha256")
    _compare(given, base64.b64encode(digest).decode())


def _base64_body(webhook: Webhook, secret: str, delivery: Delivery, _body: Any) -> None:
    """Hex of HMAC-SHA256(key, base64(body)). Source: a vendor's webhooks guide (doc): see the mapping."""
    digest = hmac.digest(secret.encode(), base64.b64encode(delivery.body), "sha256")
    _compare(_header(delivery, webhook.signature_header).lower(), digest.hex())


def _plain_body(webhook: Webhook, secret: str, delivery: Delivery, _body: Any) -> None:
    """HMAC-SHA256(secret, body) in hex or base64, with or without `sha256=` before it."""
    digest = hmac.digest(secret.encode(), delivery.body, "sha256")
    given = _header(delivery, webhook.signature_header).removeprefix("sha256=")
    _compare(given, digest.hex(), base64.b64encode(digest).decode())


def _secret_then_body(webhook: Webhook, secret: str, delivery: Delivery, _body: Any) -> None:
    """Hex of SHA-256(secret + body): version 1 of the signature. Source: vendor docs, developers.hubspot.com (doc)."""
    digest = hashlib.sha256(secret.encode() + delivery.body).hexdigest()
    _compare(_header(delivery, webhook.signature_header), digest)


def _moment_and_body(webhook: Webhook, secret: str, delivery: Delivery, _body: Any) -> None:
    """`t=<ms>,sha512=<hex>`: HMAC-SHA512(key, `<ms>.<body>`).

    Source: vendor docs, docs.api.vaultre.com.au webhooks (transcribed). UNVERIFIED: hex rather than base64; both pass.
    """
    given = dict(part.strip().partition("=")[::2] for part in _header(delivery, webhook.signature_header).split(","))
    moment = given.get("t", "")
    _fresh(moment, webhook, delivery)
    digest = hmac.digest(secret.encode(), f"{moment}.".encode() + delivery.body, "sha512")
    _compare(given.get("sha512", ""), digest.hex(), base64.b64encode(digest).decode())


def _token(webhook: Webhook, secret: str, _delivery: Delivery, body: Any) -> None:
    """A token that both sides know stands in the body. Source: vendor docs, zoho.com/crm notifications (spec)."""
    found, value = select(body, webhook.proof)
    _compare(value if found and isinstance(value, str) else "", secret)


def _account(webhook: Webhook, secret: str, _delivery: Delivery, body: Any) -> None:
    """The account's id stands in the body; its 15 characters come with or without 3 that repeat their case.

    Source: vendor docs, SOAP API guide, outbound messaging (doc). It proves little: what is told must be fetched.
    """
    found, value = select(body, webhook.proof)
    _compare(value[:15] if found and isinstance(value, str) else "", secret[:15])


def _basic(_webhook: Webhook, secret: str, delivery: Delivery, _body: Any) -> None:
    """Basic authentication; the secret is `user:password`."""
    kind, _, encoded = _header(delivery, "Authorization").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        given = ""
    _compare(given if kind.lower() == "basic" else "", secret)


def _bearer(webhook: Webhook, secret: str, delivery: Delivery, _body: Any) -> None:
    """A token in a header, `Authorization: Bearer` unless the mapping names another."""
    given = _header(delivery, webhook.signature_header or "Authorization")
    _compare(re.sub(r"(?i)^(bearer|token)\s+", "", given), secret)


ACKNOWLEDGED = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    '<soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    "</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)
SCHEMES: dict[str, Scheme] = {
    "hmac_sha256_v3": Scheme(_call_and_moment, parse_json, needs=("signature_header", "timestamp_header")),
    "hmac_sha256_hex_of_base64": Scheme(_base64_body, parse_json, needs=("signature_header",)),
    "hmac_sha256": Scheme(_plain_body, parse_json, needs=("signature_header",)),
    "sha256_of_secret_and_body": Scheme(_secret_then_body, parse_json, needs=("signature_header",)),
    "hmac_sha512_timestamped": Scheme(_moment_and_body, parse_json, needs=("signature_header",)),
    "token_in_body": Scheme(_token, parse_json, needs=("proof",)),
    "xml_account_id": Scheme(_account, parse_xml, ("text/xml", ACKNOWLEDGED), needs=("proof",)),
    "basic": Scheme(_basic, parse_json),
    "bearer": Scheme(_bearer, parse_json),
}


def public_url(path_and_query: str, public: str | None, seen: str) -> str:
    """The address as the sender knows it: `public` is the operator's word for scheme and host, else what was seen."""
    if not public:
        return seen
    parts = urlsplit(public)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{path_and_query}"
