"""Log records as lines: text for people, JSON for machines.

The message of a record is its event; `record.fields` has the event's fields. Whatever a client
put into a field, a record stays one line of printable characters, after which the text format
writes a traceback, indented. A field that is None is left out.
"""

import json
import logging
import re
import time
import traceback
from collections.abc import Callable

import orjson

from logs.secrets import masked

_MAX_TEXT_CHARS = 2000
_CUT = "...(cut)"
# What is searched for secrets in a line of a traceback.
_MAX_LINE_CHARS = 4000

# Values that need no quotes; with a backslash or a quote in it, a value would be ambiguous.
_PLAIN = re.compile(r"[^\s\"'=\\]+")
# Those of them that are printable ASCII: almost all.
_PLAIN_ASCII = re.compile(rf"[!#-&(-<>-\[\]-~]{{1,{_MAX_TEXT_CHARS}}}")


class Formatter(logging.Formatter):
    """The common part of both formats."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._second_text = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end. Never raise: logging must not make a request fail."""
        try:
            return self._line(record)
        except Exception as error:
            return _printable(f"log record of {record.name} cannot be formatted: {error!r}")

    def _line(self, record: logging.LogRecord) -> str:
        raise NotImplementedError

    def _time(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._second_text}.{int(record.msecs):03d}Z"


class TextFormatter(Formatter):
    """`<time> <LEVEL> <logger> <event> key=value ...`, values quoted as in JSON where needed."""

    def _line(self, record: logging.LogRecord) -> str:
        event = _printable(record.getMessage())
        line = f"{self._time(record)} {record.levelname:<7} {record.name} {event}"
        for name, value in _fields(record).items():
            if value is not None:
                line += f" {name}={_text(value)}"
        if record.exc_info:
            line += "".join(f"\n  {_printable(each)}" for each in _traceback_lines(record))
        return line


class JsonFormatter(Formatter):
    """One object per line: ts, level, logger, event, exception, and the record's fields.

    A field with one of these names gets an underscore appended.
    """

    def _line(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": self._time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _cut(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = "\n".join(_traceback_lines(record))
        for name, value in _fields(record).items():
            if value is not None:
                line[f"{name}_" if name in line else name] = _cut(value)
        try:
            return orjson.dumps(line, default=repr).decode()
        except TypeError:
            return json.dumps(line, default=repr)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields


def _text(value: object) -> str:
    if type(value) is str and _PLAIN_ASCII.fullmatch(value):
        return value
    if type(value) is int or type(value) is float:
        return repr(value)
    if value is True or value is False:
        return "true" if value else "false"
    text = value if isinstance(value, str) else str(value)
    if _PLAIN.fullmatch(text) and text.isprintable() and len(text) <= _MAX_TEXT_CHARS:
        return text
    quoted = text[: _MAX_TEXT_CHARS + 1].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(quoted)}"'


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > _MAX_TEXT_CHARS:
        return value[:_MAX_TEXT_CHARS] + _CUT
    return value


# isprintable() refuses line ends of every kind, terminal escapes, marks that reverse the direction
# of writing, and unpaired surrogates, which no stream accepts.
def _printable(text: str) -> str:
    if len(text) > _MAX_TEXT_CHARS:
        text = text[:_MAX_TEXT_CHARS] + _CUT
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _traceback_lines(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return []
    text = "".join(traceback.format_exception(record.exc_info[1]))
    return [masked(line[:_MAX_LINE_CHARS]) for line in text.rstrip("\n").split("\n")]


FORMATS: dict[str, Callable[[], Formatter]] = {"text": TextFormatter, "json": JsonFormatter}
