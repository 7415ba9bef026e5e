"""Logs without health data, and the registry of metrics.

A log line holds an event name and known keys only; what somebody adds under another key is dropped and
counted, so that a name or a record never reaches a log by accident. The kernel and each part of the
platform may make keys known that hold counts, codes, durations and opaque ids.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, generate_latest
from structlog.typing import Processor

METRICS = CollectorRegistry()
"""Every metric of the process; `/metrics` renders it."""

LOG_KEYS_DROPPED = Counter(
    "kiungo_log_keys_dropped", "Log keys dropped because they are not known to be free of health data.",
    registry=METRICS,
)  # fmt: skip

TEXT_MAX = 500
_KNOWN_KEYS = {
    "event", "level", "timestamp", "logger", "request_id", "tenant", "principal", "method", "route", "status",
    "duration_ms", "code", "category", "error", "trace", "attempt", "attempts", "kind", "lane", "job", "count",
    "rows", "waiting", "seconds", "bytes", "engine", "mode", "url", "host", "port", "path", "version",
    "revision", "endpoint", "delivery", "channel", "reason", "state", "topic", "table", "name", "dropped_keys",
    "block", "hash", "lag_s", "after_s", "process",
}  # fmt: skip
_PLAIN_WORDS = re.compile("[A-Za-z ]*")
_LOOKS_SECRET = re.compile(r"(kgo_|kgs_|whsec_|eyJ)[A-Za-z0-9_\-.]{6,}|(?<=://)[^/@\s]+:[^/@\s]+(?=@)")


def drop_unknown_keys(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep known keys with short plain values; hide what looks like a credential."""
    unknown = [key for key in line if key not in _KNOWN_KEYS]
    for key in unknown:
        del line[key]
    if unknown:
        LOG_KEYS_DROPPED.inc(len(unknown))
        line["dropped_keys"] = len(unknown)
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = _LOOKS_SECRET.sub("[hidden]", value)[:TEXT_MAX] if key != "trace" else value
        elif not isinstance(value, (int, float, bool, type(None), list)):
            line[key] = type(value).__name__
    return line


def redacted_traceback(problem: BaseException) -> list[str]:
    """Where an error came from, without its message or any value: both may hold health data."""
    lines: list[str] = []
    seen: BaseException | None = problem
    while seen is not None and len(lines) < 60:
        lines.append(type(seen).__name__)
        lines += [
            f"{frame.filename.rpartition('site-packages')[2].rpartition('/src/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(seen.__traceback__)[-25:]
        ]
        seen = seen.__cause__ or seen.__context__
    return lines


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    form: Literal["auto", "json", "console"] = "auto",
) -> None:
    """Set up logging once at start: JSON lines, or readable ones on a terminal.

    Lines of libraries pass too, from warning up and without their arguments.
    """
    readable = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_unknown_keys,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)
        if readable
        else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryLines()]
    root.setLevel(logging.WARNING)


class _StandardError:
    """Standard error as it is when a line is written: a logger is made once, and the stream may be another since."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _LibraryLines(logging.Handler):
    """Passes a library's log line on as an event, without arguments that might hold health data."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        error = record.exc_info[1] if record.exc_info else None
        log.log(
            max(record.levelno, logging.WARNING),
            "library",
            name=record.name,
            reason=_template_of(record),
            **({"trace": redacted_traceback(error)} if error is not None else {}),
        )


def _template_of(record: logging.LogRecord) -> str:
    """What a library always says at this place, else the place: a text put together before may hold anything.

    asyncio begins with what happened, and goes on with objects and their errors.
    """
    text = str(record.msg)[:TEXT_MAX]
    if record.args:
        return text
    begun = _PLAIN_WORDS.match(text) if record.name == "asyncio" else None
    return begun[0].strip() if begun else f"{record.module}:{record.funcName}:{record.lineno}"


def render_metrics() -> bytes:
    """All metrics in Prometheus' text form."""
    return generate_latest(METRICS)
