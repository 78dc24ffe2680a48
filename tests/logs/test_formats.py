import json
import logging
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs.formats import JsonFormatter, TextFormatter


def record(
    event: str, fields: Mapping[str, object] | None = None, error: BaseException | None = None
) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("some.logger", logging.INFO, __file__, 1, event, (), info)
    made.created, made.msecs = 1_795_455_000.123, 123.0
    if fields is not None:
        made.fields = dict(fields)
    return made


def as_text(event: str, **fields: object) -> str:
    return TextFormatter().format(record(event, fields))


def raised() -> Exception:
    try:
        raise RuntimeError("first line\nsecond \x1b[31m line")
    except RuntimeError as error:
        return error


def test_text_is_a_line_with_its_fields() -> None:
    line = as_text("segment delivered", segment="a-1", events=3, seconds=0.5, corrupt=None)
    assert (
        "2026-11-23T17:30:00.123Z INFO    some.logger segment delivered "
        "segment=a-1 events=3 seconds=0.5" == line
    )


def test_json_is_an_object_with_its_fields() -> None:
    line = JsonFormatter().format(record("segment delivered", {"events": 3, "corrupt": None}))
    assert {
        "ts": "2026-11-23T17:30:00.123Z",
        "level": "info",
        "logger": "some.logger",
        "event": "segment delivered",
        "events": 3,
    } == json.loads(line)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("/api/v1/events", "/api/v1/events"),
        ("Größe", "Größe"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("\\n", '"\\\\n"'),
        ("line\nbreak", '"line\\nbreak"'),
        ("\r", '"\\r"'),
        ("\x1b[2J", '"\\x1b[2J"'),
        ("\x00", '"\\x00"'),
        ("\x85", '"\\x85"'),
        ("\u2028", '"\\u2028"'),
        ("\u202etxt", '"\\u202etxt"'),
        ("\ud800", '"\\ud800"'),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (["a", "b"], "\"['a', 'b']\""),
    ],
)
def test_a_value_is_quoted_if_it_must_be(value: object, written: str) -> None:
    assert as_text("request", path=value).endswith(f" path={written}")


@given(st.text(), st.text())
def test_no_text_from_a_client_breaks_a_line(event: str, value: str) -> None:
    line = as_text(event.replace("%", ""), value=value)
    assert line.isprintable()
    assert 1 == len(line.splitlines())
    parsed = json.loads(JsonFormatter().format(record(event.replace("%", ""), {"value": value})))
    assert value == parsed["value"]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_long_text_is_cut_and_marked(formatter: logging.Formatter) -> None:
    line = formatter.format(record("x" * 5000, {"value": "y" * 100_000}))
    assert len(line) < 4300
    assert 2 == line.count("...(cut)")


def test_a_field_does_not_hide_the_standard_ones() -> None:
    fields = {"event": "e", "level": "l", "exception": "x"}
    parsed = json.loads(JsonFormatter().format(record("request", fields, raised())))
    assert ("request", "e", "info", "l", "x") == (
        parsed["event"],
        parsed["event_"],
        parsed["level"],
        parsed["level_"],
        parsed["exception_"],
    )


def test_a_traceback_follows_indented_and_cannot_forge_a_line() -> None:
    first, *rest = TextFormatter().format(record("request failed", {}, raised())).split("\n")
    assert first.endswith("request failed")
    assert [] == [line for line in rest if not (line.startswith("  ") and line.isprintable())]
    assert "RuntimeError: first line" in rest[-2]


def test_a_traceback_is_a_field_in_json() -> None:
    parsed = json.loads(JsonFormatter().format(record("request failed", {}, raised())))
    assert "RuntimeError: first line\nsecond \x1b[31m line" in parsed["exception"]


class Unfit:
    def __str__(self) -> str:
        raise ValueError("no text\nof mine")

    __repr__ = __str__


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_a_value_that_cannot_be_written_affects_only_its_line(
    formatter: logging.Formatter,
) -> None:
    line = formatter.format(record("request", {"value": Unfit()}))
    assert "some.logger" in line
    assert line.isprintable()


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_messages_of_libraries_have_their_arguments(formatter: logging.Formatter) -> None:
    made = logging.LogRecord("lib", logging.WARNING, __file__, 1, "%s of %d", ("one", 2), None)
    assert "one of 2" in formatter.format(made)


def test_numbers_beyond_64_bits_are_still_written() -> None:
    assert "request" in JsonFormatter().format(record("request", {"big": 2**70}))
    assert (
        sys.maxsize
        == json.loads(JsonFormatter().format(record("request", {"size": sys.maxsize})))["size"]
    )


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_a_traceback_has_no_secrets(formatter: logging.Formatter) -> None:
    try:
        try:
            raise ValueError("cannot reach http://user:pa55@host")
        except ValueError as error:
            raise RuntimeError("failed") from error
    except RuntimeError as error:
        made = record("failed", {})
        made.exc_info = (type(error), error, error.__traceback__)
    line = formatter.format(made)
    assert "cannot reach http://***@host" in line
    assert "pa55" not in line
