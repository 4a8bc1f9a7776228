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
    wrapper_secret_key: SecretStr | None = None
    wrapper_algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    wrapper_allow_no_exp: bool = False
    wrapper_org_code: str | None = None
    internal_api_key: SecretStr | None = None
    internal_rate_limit: int = Field(100, ge=1, description="Calls of one address in 15 minutes")
    user_sync_max_body_mb: float = Field(32, gt=0)
    sync_callback_hosts: Names = Field((), description="Hosts that may be told the outcome of a sync")
    sync_callback_secret: SecretStr | None = Field(None, description="Signs what they are told")

    # external CRM
    external_crm_enabled: bool = False
    external_crm_api_url: str | None = None
    external_crm_api_key: SecretStr | None = None
    external_crm_sync_mode: Literal["webhook", "polling"] = "webhook"
    external_crm_sync_interval: int = Field(30, ge=1, description="Minutes")
    external_crm_webhook_secret: SecretStr | None = None
    api_auth_enabled: bool = True
    crm_api_key: SecretStr | None = Field(None, description="May be several, comma-separated")
    rate_limit_enabled: bool = True
    rate_limit_per_minute: int = Field(100, ge=1)
    allowed_ips: Names = ()
    allow_insecure_crm_urls: bool = False

    # credentials of connections
    encryption_key: SecretStr | None = None
    encryption_key_old: SecretStr | None = Field(None, description="Former keys, comma-separated, while rotating")
    allow_private_crm_addresses: bool = Field(False, description="A user may name an instance in a private network")

    # webhooks, jobs, schedules
    public_url: str | None = Field(None, description="The address CRMs call, as their signatures have it")
    webhook_refresh_seconds: float = Field(60, gt=0, description="What webhooks brought is unified this often, at most")
    jobs_at_once: int = Field(2, ge=1, description="Runs side by side, each of another owner")
    schedule_timezone: str | None = Field(None, description="IANA zone of cron lines; default: UTC")

    # alerts
    alert_webhook_url: SecretStr | None = Field(None, description="Told of failures, in JSON; the address is a secret")
    alert_email: Names = ()
    smtp_host: str | None = None
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str | None = None
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"

    # what is kept; 0: for ever
    keep_raw_days: int = Field(0, ge=0, description="Versions that no edit time depends on")
    keep_published: int = Field(3, ge=1, description="Published files that stay, the one in use included")
    keep_history_days: int = Field(
        90, ge=0, description="Jobs that ended, webhooks that were taken in, runs' check results"
    )

    # the server
    log_file: Path | None = Field(None, description="Rotated at 10 MB, five are kept; default: standard error alone")
    max_body_mb: float = Field(2, gt=0, description="Of calls that have no limit of their own")
    cors_origins: Names = ()
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
