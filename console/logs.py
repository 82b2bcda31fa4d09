"""Logs of the service: structured, on standard error, one line each."""

import logging
import sys
from typing import Any

import structlog

from contracts.settings import LogSettings, masked

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_SECRETS = ("password", "secret", "token_value", "authorization", "api_key")


def set_up(settings: LogSettings) -> None:
    """Configure structlog for this process."""
    pretty = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _harmless,
    ]
    if not pretty:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _harmless(_: Any, __: str, line: Any) -> Any:
    """No secret, and no control character that could forge a line or drive a terminal."""
    for name, value in line.items():
        if any(word in name.lower() for word in _SECRETS):
            line[name] = "***"
        elif isinstance(value, str):
            text = masked(value) if "://" in value and "@" in value and " " not in value else value
            line[name] = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
    return line
