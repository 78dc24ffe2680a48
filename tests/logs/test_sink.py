import io
import threading
import time
from collections.abc import Iterator
from typing import TextIO

import pytest

from logs.sink import BufferedSink


class Gate(io.StringIO):
    """A stream that takes nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.reached = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.opened.wait(30)
        return super().write(text)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def blocked(gate: Gate, max_chars: int) -> BufferedSink:
    """A sink whose thread waits for its stream."""
    sink = BufferedSink(gate, max_chars)
    sink.write("first")
    assert gate.reached.wait(30)
    return sink


def test_lines_are_written_in_order_and_all_of_them_at_close() -> None:
    stream = io.StringIO()
    sink = BufferedSink(stream)
    lines = [f"line {number}" for number in range(1000)]
    for line in lines:
        sink.write(line)
    sink.close()
    assert lines == stream.getvalue().splitlines()


def test_a_stream_that_blocks_stops_nobody_and_what_is_dropped_is_told(gate: Gate) -> None:
    sink = blocked(gate, max_chars=100)
    for _ in range(10):
        sink.write("x" * 30)
    gate.opened.set()
    sink.close(30)
    assert [
        "first",
        *["x" * 30] * 3,
        "7 log lines were dropped: nobody read them in time",
    ] == gate.getvalue().splitlines()


def test_an_urgent_line_finds_room_where_others_do_not(gate: Gate) -> None:
    sink = blocked(gate, max_chars=100)
    sink.write("x" * 100)
    sink.write("usual")
    sink.write("urgent", urgent=True)
    sink.write("y" * 100, urgent=True)
    gate.opened.set()
    sink.close(30)
    assert [
        "first",
        "x" * 100,
        "urgent",
        "2 log lines were dropped: nobody read them in time",
    ] == gate.getvalue().splitlines()


def test_closing_does_not_wait_for_a_stream_that_blocks_for_ever(gate: Gate) -> None:
    sink = blocked(gate, max_chars=100)
    before = time.monotonic()
    sink.close(timeout_s=0.05)
    assert time.monotonic() - before < 10


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [Broken(), None], ids=["broken", "closed"])
def test_a_stream_that_is_gone_costs_nothing(stream: TextIO | None) -> None:
    if stream is None:
        stream = io.StringIO()
        stream.close()
    sink = BufferedSink(stream)
    sink.write("one")
    sink.write("two")
    sink.close()


def test_closing_twice_is_fine() -> None:
    sink = BufferedSink(io.StringIO())
    sink.close()
    sink.close()
