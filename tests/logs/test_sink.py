import io
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from logs.sink import BufferedSink
from tests.support.waiting import WAIT_S


class Gate(io.StringIO):
    """A stream that accepts nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.reached = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.opened.wait(WAIT_S)
        return super().write(text)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def blocked(gate: Gate, max_chars: int) -> BufferedSink:
    """Return a sink whose thread waits for its stream."""
    sink = BufferedSink(gate, max_chars)
    sink.write("first")
    assert gate.reached.wait(WAIT_S)
    return sink


def test_all_lines_are_written_in_order_when_the_sink_is_closed() -> None:
    stream = io.StringIO()
    sink = BufferedSink(stream)
    lines = [f"line {number}" for number in range(1000)]
    for line in lines:
        sink.write(line)
    sink.close()
    assert lines == stream.getvalue().splitlines()


def test_a_stream_that_blocks_stops_nobody_and_dropped_lines_are_counted(gate: Gate) -> None:
    sink = blocked(gate, max_chars=100)
    for _ in range(10):
        sink.write("x" * 30)
    gate.opened.set()
    sink.close(WAIT_S)
    assert [
        "first",
        *["x" * 30] * 3,
        "7 log lines were dropped: the log is read too slowly",
    ] == gate.getvalue().splitlines()


def test_an_urgent_line_has_room_when_others_do_not(gate: Gate) -> None:
    sink = blocked(gate, max_chars=100)
    sink.write("x" * 100)
    sink.write("usual")
    sink.write("urgent", urgent=True)
    sink.write("y" * 100, urgent=True)
    gate.opened.set()
    sink.close(WAIT_S)
    assert [
        "first",
        "x" * 100,
        "urgent",
        "2 log lines were dropped: the log is read too slowly",
    ] == gate.getvalue().splitlines()


def test_closing_does_not_wait_for_a_stream_that_blocks_for_ever(gate: Gate) -> None:
    sink = blocked(gate, max_chars=100)
    sink.close(timeout_s=0.05)
    assert not gate.opened.is_set()
    assert "" == gate.getvalue()


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [Broken(), None], ids=["broken", "closed"])
def test_a_stream_that_is_gone_does_no_harm(stream: TextIO | None) -> None:
    if stream is None:
        stream = io.StringIO()
        stream.close()
    sink = BufferedSink(stream)
    sink.write("one")
    sink.write("two")
    sink.close()


def test_a_sink_may_be_closed_twice() -> None:
    sink = BufferedSink(io.StringIO())
    sink.close()
    sink.close()
