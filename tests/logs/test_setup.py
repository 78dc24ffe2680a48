import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest

from logs.setup import LogOutput, configure
from tests.support.waiting import wait_until

Configure = Callable[..., io.StringIO]
_log = logging.getLogger("tests.some.module")


@pytest.fixture
def outputs() -> Iterator[list[LogOutput]]:
    outputs: list[LogOutput] = []
    yield outputs
    for output in reversed(outputs):
        output.close()


@pytest.fixture
def start(outputs: list[LogOutput]) -> Configure:
    """Configure logging to a text that grows."""

    def start(level: str = "info", format: str = "json") -> io.StringIO:  # noqa: A002
        stream = io.StringIO()
        outputs.append(configure(level, format, stream))
        return stream

    return start


def lines(stream: io.StringIO, outputs: list[LogOutput]) -> list[dict[str, object]]:
    """Close logging and return the lines that were logged."""
    outputs.pop().close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_written_with_its_fields(start: Configure, outputs: list[LogOutput]) -> None:
    stream = start()
    _log.info("delivered", extra={"fields": {"events": 3}})
    (line,) = lines(stream, outputs)
    assert ("delivered", 3, "tests.some.module") == (line["event"], line["events"], line["logger"])


def test_text_is_the_other_format(start: Configure, outputs: list[LogOutput]) -> None:
    stream = start(format="text")
    _log.info("delivered", extra={"fields": {"events": 3}})
    outputs.pop().close()
    assert stream.getvalue().endswith(" INFO    tests.some.module delivered events=3\n")


class Costly:
    def __str__(self) -> str:
        raise AssertionError("formatted although it is not logged")


def test_nothing_below_the_level_is_formatted(start: Configure, outputs: list[LogOutput]) -> None:
    stream = start("warning")
    _log.info("request", extra={"fields": {"value": Costly()}})
    _log.warning("seen")
    assert ["seen"] == [line["event"] for line in lines(stream, outputs)]


def test_libraries_are_quiet_at_every_level(start: Configure, outputs: list[LogOutput]) -> None:
    stream = start("debug")
    for name in ("botocore.auth", "boto3", "urllib3.connectionpool", "tornado.access", "asyncio"):
        logging.getLogger(name).info("chatter")
    logging.getLogger("tornado.general").warning("malformed request")
    assert ["malformed request"] == [line["event"] for line in lines(stream, outputs)]


def test_warnings_are_logged(start: Configure, outputs: list[LogOutput]) -> None:
    stream = start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("beware", UserWarning, stacklevel=1)
    (line,) = lines(stream, outputs)
    assert "beware" in str(line["event"])


def test_an_uncaught_exception_is_logged(
    start: Configure, outputs: list[LogOutput], expected_errors: list[str]
) -> None:
    expected_errors.append("uncaught exception")
    stream = start()
    error = RuntimeError("a defect")
    sys.excepthook(RuntimeError, error, None)
    (line,) = lines(stream, outputs)
    assert ("critical", "uncaught exception") == (line["level"], line["event"])
    assert "RuntimeError: a defect" in str(line["exception"])


def test_an_uncaught_exception_in_a_thread_is_logged(
    start: Configure, outputs: list[LogOutput], expected_errors: list[str]
) -> None:
    expected_errors.append("uncaught exception")
    stream = start()

    def fail() -> None:
        raise RuntimeError("a defect")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    (line,) = lines(stream, outputs)
    assert ("uncaught exception", "worker") == (line["event"], line["thread"])


def test_closing_restores_everything() -> None:
    def state() -> tuple[object, ...]:
        root = logging.getLogger()
        noisy = [logging.getLogger(name).level for name in ("botocore", "tornado", "asyncio")]
        return (
            root.level,
            list(root.handlers),
            noisy,
            sys.excepthook,
            threading.excepthook,
            warnings.showwarning,
        )

    before = state()
    output = configure("debug", "text", io.StringIO())
    assert before != state()
    output.close()
    output.close()
    assert before == state()


class Unread(io.StringIO):
    """A stream that nobody reads until the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def write(self, text: str) -> int:
        self.gate.wait()
        return super().write(text)


def test_dropped_lines_are_reported_in_the_format_of_the_log(outputs: list[LogOutput]) -> None:
    stream = Unread()
    outputs.append(configure("info", "json", stream))
    # More than the writer takes at once and the most that wait, 8 MiB each.
    for _ in range(10_000):
        _log.info("delivered", extra={"fields": {"detail": "x" * 2000}})
    stream.gate.set()
    wait_until(lambda: "were dropped" in stream.getvalue())
    found = lines(stream, outputs)
    (dropped,) = (line for line in found if str(line["event"]).startswith("log lines were"))
    assert 10_000 == len(found) - 1 + int(str(dropped["lines"]))
