"""Where the service's log goes: standard error, and a file that is rotated where the operator names one."""

from __future__ import annotations

import logging
import warnings
from logging.handlers import RotatingFileHandler

import jwt

from pipelines.connections.errors import SettingsError
from pipelines.service.settings import ServiceSettings

BYTES, KEPT = 10_000_000, 5
FORMAT = "%(asctime)s %(levelname)s %(message)s"
SHORTEST_SECRET = 32
logger = logging.getLogger("crosswalk.service")


def set_up(settings: ServiceSettings) -> None:
    """Begins to log.

    Raises:
        SettingsError: the file cannot be written.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if settings.log_file is not None:
        try:
            settings.log_file.parent.mkdir(parents=True, exist_ok=True)
            file = RotatingFileHandler(settings.log_file, maxBytes=BYTES, backupCount=KEPT, encoding="utf-8")
        except OSError as refused:
            raise SettingsError(f"LOG_FILE: {settings.log_file}: {refused.strerror}") from None
        handlers.append(file)
    logging.basicConfig(level=logging.INFO, format=FORMAT, handlers=handlers)
    for noisy in ("httpx", "httpcore", "apscheduler", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    _warn_of_weak_secrets(settings)


def _warn_of_weak_secrets(settings: ServiceSettings) -> None:
    """Once, at the start; the library would say it at each call."""
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
    for name in ("jwt_secret", "wrapper_secret_key", "internal_api_key"):
        secret = getattr(settings, name)
        if secret is not None and len(secret.get_secret_value().encode()) < SHORTEST_SECRET:
            logger.warning("%s is shorter than %d bytes: it could be guessed", name.upper(), SHORTEST_SECRET)
