"""Logs of the service: structured, on standard error, one line each; no secrets, nothing that could forge a line."""

import logging
import sys
from collections.abc import Mapping
from traceback import format_exception
from typing import Any

import structlog

from agents.notification.lines import escaped
from contracts.redaction import HIDDEN, REDACTION
from contracts.settings import LogSettings

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
#: Deeper or longer than this nobody reads; an object that holds itself must come to an end.
_DEEPEST, _LONGEST, _MOST = 6, 8_000, 200
#: Before each line of a traceback: no line of it can be taken for one of the log.
_MARGIN = "\n    | "


def set_up(settings: LogSettings, *, service: bool = False) -> None:
    """Configure structlog for this process; ``service``: what libraries say goes the same way, on one line each."""
    pretty = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    # The formatter that comes with rich would show the values of local variables.
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, colors=sys.stderr.isatty())
        if pretty
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _excepted,
            _Harmless(margin=_MARGIN if pretty else "\n"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    if service:
        _take_over(max(_LEVELS[settings.level], logging.WARNING))


# ---------------------------------------------------------------- what a line may hold


def _excepted(_: Any, __: str, line: Any) -> Any:
    """The traceback as a text of its own: frames and messages, never the values of variables."""
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["exception"] = "".join(format_exception(error)).rstrip("\n")
    return line


class _Harmless:
    """No secret, and no character that could forge a line, drive a terminal or turn the reading direction."""

    def __init__(self, margin: str) -> None:
        self._margin = margin

    def __call__(self, _: Any, __: str, line: Any) -> dict[str, Any]:
        trace = line.pop("exception", None)
        plain = _plain_items(line, 0)
        if trace is not None:
            told = REDACTION.text(str(trace))
            plain["exception"] = self._margin.join(["", *map(escaped, told.split("\n"))]).removeprefix("\n")
        return plain


def _plain_items(tree: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    found = {}
    for key, value in list(tree.items())[:_MOST]:
        name = escaped(str(key))[:_MOST]
        found[name] = HIDDEN if REDACTION.secret(name, value) else _plain(value, depth + 1)
    return found


def _plain(value: Any, depth: int) -> Any:
    """A value as every renderer can write it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _told(value)
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return _plain_items(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth + 1) for item in list(value)[:_MOST]]
    return _told(repr(value))


def _told(text: str) -> str:
    # Cut behind the redaction: half a secret would not be known.
    return escaped(REDACTION.text(text[: 2 * _LONGEST])[:_LONGEST])


# ---------------------------------------------------------------- what libraries say


class _Forward(logging.Handler):
    """Hands what a library says to the log of the service."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        rest = {"exc_info": error} if error is not None else {}
        structlog.get_logger().log(record.levelno, message, logger=record.name, **rest)


def _take_over(level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Forward()]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
