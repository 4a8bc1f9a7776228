"""What can go wrong between us and a CRM, said without a secret and with what a person needs to ask the vendor."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from pipelines.connections.redact import Redactor

BODY_CHARACTERS = 500
REQUEST_ID_HEADERS = (
    "x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "x-trace-id", "cf-ray",
)  # fmt: skip


class CrmError(Exception):
    """A CRM refused, throttled or cannot be reached.

    Attributes:
        label: the CRM's name, for people.
        status: HTTP status; None where there was no answer.
        method, path: the call, without its query (a query may carry personal data or keys).
        request_id: what the CRM calls this request, for its support.
        details: the answer's body, shortened, without secrets.
    """

    exit_code: ClassVar[int] = 3

    def __init__(
        self, label: str, message: str, *, status: int | None = None, method: str = "", path: str = "",
        request_id: str | None = None, details: str = "",
    ) -> None:  # fmt: skip
        self.label, self.message, self.details = label, message, details
        self.status, self.method, self.path, self.request_id = status, method, path, request_id
        super().__init__(self._text())

    def _text(self) -> str:
        call = f"{self.method} {self.path}".strip()
        about = ", ".join(
            part for part in (call, f"status {self.status}" if self.status else "",
                              f"request id {self.request_id}" if self.request_id else "") if part
        )  # fmt: skip
        return self.message + (f" ({about})" if about else "") + (f": {self.details}" if self.details else "")


class AuthenticationFailed(CrmError):  # noqa: N818 - the words of the contract
    """The CRM does not accept our credentials; a repetition would not help."""


class CrmRefused(CrmError):  # noqa: N818
    """The CRM answered, and said no (4xx)."""


class CrmUnreachable(CrmError):  # noqa: N818
    """No usable answer: no connection, time-out, 5xx, or answers that cannot be read, also after repetition."""


class CrmThrottled(CrmError):  # noqa: N818
    """The CRM says 'too many', also after waiting; or a day's quota is used up."""


def authentication_failed(label: str, redact: Redactor, response: Any = None, why: str = "") -> AuthenticationFailed:
    """The error for refused credentials; `why` comes before the answer's own words."""
    if response is None:
        return AuthenticationFailed(label, f"{label} authentication failed", details=redact.text(why))
    found = _facts(redact, response)
    found["details"] = redact.text(why) if why else found["details"]
    return AuthenticationFailed(label, f"{label} authentication failed", **found)


def refused(label: str, what: str, redact: Redactor, response: Any, *, throttled: bool = False) -> CrmError:
    """The error for an answer with a bad status.

    Args:
        label: the CRM's name.
        what: what was attempted, such as 'fetch contacts'.
        redact: hides secrets.
        response: a requests or httpx response.
        throttled: the CRM said 'too many'.
    """
    status = response.status_code
    if status == 401:
        return authentication_failed(label, redact, response)
    kind = CrmThrottled if throttled or status == 429 else CrmUnreachable if status >= 500 else CrmRefused
    return kind(label, f"Failed to {what}", **_facts(redact, response))


def unreachable(label: str, what: str, redact: Redactor, cause: BaseException, timeout: float) -> CrmUnreachable:
    """The error for a call that got no answer."""
    name = type(cause).__name__
    said = f"Request timeout after {timeout:g} seconds" if "Timeout" in name else _reason(cause)
    request = getattr(cause, "request", None)
    call: dict[str, Any] = (
        {"method": str(request.method), "path": urlsplit(str(request.url)).path} if request is not None else {}
    )
    return CrmUnreachable(label, f"Failed to {what}", details=redact.text(said), **call)


def _reason(cause: BaseException) -> str:
    """The innermost reason: `Connection refused` says more than five layers of library around it."""
    inner: BaseException = cause
    while (deeper := getattr(inner, "reason", None) or inner.__cause__ or inner.__context__) is not None:
        if not isinstance(deeper, BaseException) or deeper is inner:
            break
        inner = deeper
    return f"{type(inner).__name__}: {str(inner)[:200]}"


def _facts(redact: Redactor, response: Any) -> dict[str, Any]:
    request = response.request
    headers = {k.lower(): v for k, v in response.headers.items()}
    ids = [v for k, v in headers.items() if k in REQUEST_ID_HEADERS or k.endswith("correlation-id")]
    return {
        "status": response.status_code,
        "method": str(getattr(request, "method", "")),
        "path": urlsplit(str(getattr(request, "url", ""))).path,
        "request_id": ids[0] if ids else None,
        "details": shortened(redact, response.text),
    }


def shortened(redact: Redactor, text: str, characters: int = BODY_CHARACTERS) -> str:
    """One line of at most so many characters, without secrets; cut after redaction, so that no half secret stays."""
    said = " ".join(redact.text(text[: characters * 20]).split())
    return said if len(said) <= characters else said[:characters] + "…"
