"""Settings of the service, from the environment and `.dlt/secrets.toml`.

A secret that is missing refuses only the calls that need it; a setting that cannot be read stops the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from pipelines.connections.errors import SettingsError
from pipelines.connections.resolve import DEFAULT_OWNER

MEGABYTE = 1_048_576


def _listed(value: Any) -> Any:
    """`a, b` as a tuple."""
    return tuple(part for one in value.split(",") if (part := one.strip())) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class ServiceSettings(BaseModel):
    """What an operator may set; each field is the variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    # who may call: connectors and unified CRM
    jwt_secret: SecretStr | None = Field(None, description="Key of HS256")
    jwt_jwks_file: Path | None = Field(None, description="Public keys; then RS256, and no other")
    jwt_user_claim: str = Field("sub", description="The claim that names the user")
    jwt_audience: str | None = Field(None, description="Then `aud` must be this")
    jwt_issuer: str | None = Field(None, description="Then `iss` must be this")
    default_owner: str = Field(DEFAULT_OWNER, description="The user whose data is what the command line pulls")
    unified_rate_limit_per_minute: int = Field(300, ge=1, description="Calls of one user")

    # user sync
    wrapper_secret_key: SecretStr | None = Field(None, description="Key of the tokens of `/api/admin/users/sync`")
    wrapper_algorithm: Literal["HS256", "HS384", "HS512"] = Field("HS256", description="Of these tokens, and no other")
    wrapper_allow_no_exp: bool = Field(False, description="Tokens that never expire are taken, too")
    wrapper_org_code: str | None = Field(None, description="The organisation, where a token names none")
    internal_api_key: SecretStr | None = Field(None, description="Opens `/api/internal/sync/users`")
    internal_rate_limit: int = Field(100, ge=1, description="Calls of one address in 15 minutes")
    user_sync_max_body_mb: float = Field(32, gt=0, description="Of one user sync")
    sync_callback_hosts: Names = Field((), description="Hosts that may be told the outcome of a sync")
    sync_callback_secret: SecretStr | None = Field(None, description="Signs what they are told")

    # external CRM
    external_crm_enabled: bool = Field(False, description="`/api/external` does its work")
    external_crm_api_url: str | None = Field(None, description="Where records are polled from and posted to")
    external_crm_api_key: SecretStr | None = Field(None, description="Sent there as bearer")
    external_crm_sync_mode: Literal["webhook", "polling"] = Field("webhook", description="A webhook is taken in both")
    external_crm_sync_interval: int = Field(30, ge=1, description="Minutes")
    external_crm_webhook_secret: SecretStr | None = Field(None, description="Proves a webhook")
    api_auth_enabled: bool = Field(True, description="False: no key is asked for; on loopback alone")
    crm_api_key: SecretStr | None = Field(None, description="Opens `/api/external`; may be several, comma-separated")
    rate_limit_enabled: bool = Field(True, description="Of `/api/external`")
    rate_limit_per_minute: int = Field(100, ge=1, description="Calls of one address to `/api/external`")
    allowed_ips: Names = Field((), description="Who may call `/api/external`; default: anybody")
    allow_insecure_crm_urls: bool = Field(False, description="http is taken, not only https")

    # credentials of connections
    encryption_key: SecretStr | None = Field(None, description="32 bytes in base64 or hex; without it nobody connects")
    encryption_key_old: SecretStr | None = Field(None, description="Former keys, comma-separated, while rotating")
    allow_private_crm_addresses: bool = Field(False, description="A user may name an instance in a private network")

    # webhooks, jobs, schedules
    public_url: str | None = Field(None, description="The address CRMs call, as their signatures have it")
    webhook_refresh_seconds: float = Field(60, gt=0, description="What webhooks brought is unified this often, at most")
    webhook_worker: Literal["process", "thread"] = Field(
        "process", description="Takes webhooks in; thread: in the service itself"
    )
    jobs_at_once: int = Field(2, ge=1, description="Runs side by side, each of another owner")
    schedule_timezone: str | None = Field(None, description="IANA zone of cron lines; default: UTC")

    # alerts
    alert_webhook_url: SecretStr | None = Field(None, description="Told of failures, in JSON; the address is a secret")
    alert_email: Names = Field((), description="Told of failures, by mail")
    smtp_host: str | None = Field(None, description="Sends these mails")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port")
    smtp_user: str | None = Field(None, description="Login there, if it asks for one")
    smtp_password: SecretStr | None = Field(None, description="Its password")
    smtp_from: str | None = Field(None, description="Sender of these mails")
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="starttls, tls or none")

    # what is kept; 0: for ever
    keep_raw_days: int = Field(0, ge=0, description="Versions that no edit time depends on")
    keep_published: int = Field(3, ge=1, description="Published files that stay, the one in use included")
    keep_history_days: int = Field(
        90, ge=0, description="Jobs that ended, webhooks that were taken in, runs' check results"
    )

    # the server
    log_file: Path | None = Field(None, description="Rotated at 10 MB, five are kept; default: standard error alone")
    max_body_mb: float = Field(2, gt=0, description="Of calls that have no limit of their own")
    cors_origins: Names = Field((), description="Pages that may call; default: none")
    metrics_token: SecretStr | None = Field(None, description="Then /metrics asks for it as bearer")

    @property
    def crm_api_keys(self) -> tuple[str, ...]:
        """Each key that opens the external CRM."""
        return tuple(_listed(self.crm_api_key.get_secret_value())) if self.crm_api_key else ()

    def secrets(self) -> set[str]:
        """Every secret value, for the redactor."""
        values = (getattr(self, name) for name in type(self).model_fields)
        found = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
        return found | set(self.crm_api_keys)


def from_environment(variables: Mapping[str, str]) -> ServiceSettings:
    """Settings from variables (see `pipelines.connections.settings.variables`); an empty one counts as not set.

    Raises:
        SettingsError: names every variable that cannot be read, without its value.
    """
    given = {
        name: value.strip()
        for name in ServiceSettings.model_fields
        if (value := variables.get(name.upper(), "")).strip()
    }
    try:
        return ServiceSettings.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise SettingsError("\n".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in found)) from None


def as_table() -> str:
    """The settings as a table in Markdown, for `docs/service.md`."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in ServiceSettings.model_fields.items():
        said = str(field.default).lower() if isinstance(field.default, bool) else field.default
        default = "" if said in (None, ()) else f"`{said}`"
        lines.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join([*lines, ""])
