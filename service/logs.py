"""Logs: one JSON object per line, or text on a terminal; libraries' records come out in the same form."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import structlog

from core.errors import FengsuiError

if TYPE_CHECKING:
    from service.config import Log

# Libraries that say more than an operator wants to read at the same level as ours.
_QUIET = ("httpx", "httpcore", "asyncio", "django.request", "uvicorn.access", "PIL", "matplotlib")


def configure(log: Log) -> None:
    """Send everything to standard error, as `log` says; call once per process, before the first line."""
    text = log.format == "text" or (log.format == "auto" and sys.stderr.isatty())
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=not text),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(text=text)],
        )
    )
    logging.basicConfig(handlers=[handler], level=log.level.upper(), force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(log.level.upper())))


def last_words(error: BaseException) -> None:
    """Log what ended a process: one line for an error meant for people, the traceback for any other."""
    logger = structlog.get_logger("service")
    if isinstance(error, FengsuiError):
        logger.error("stopped", problem=str(error))
    else:
        logger.critical("crashed", exc_info=error)


def said_last(line: str) -> str:
    """Return what a line of a process's log says, without what only machines read."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    words = [record.get("event"), record.get("problem"), _error_of(str(record.get("exception") or ""))]
    return ": ".join(str(word) for word in words if word)


def _error_of(trace: str) -> str:
    """Return the line of a traceback that names the error: the first behind the last frame."""
    frames, _, rest = trace.rpartition("\n  File ")
    unindented = [line for line in rest.splitlines()[1:] if line[:1].strip()] if frames else []
    return unindented[0] if unindented else trace.strip().rpartition("\n")[2]


def _last(*, text: bool) -> list[structlog.typing.Processor]:
    if text:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    # Plain tracebacks: with local variables a secret may get into the log.
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
