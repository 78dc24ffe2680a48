import gc

import pytest

from validation.turns import TURN_BYTES, TURN_S, Meter, Turns, at_once, uncollected

LONG_TEXT = b" " * TURN_BYTES


def count_to(number: int) -> Turns[int]:
    for _ in range(number):
        yield
    return number


def test_work_is_done_at_once() -> None:
    assert 0 == at_once(count_to(0))
    assert 3 == at_once(count_to(3))


def test_a_turn_has_at_most_its_bytes() -> None:
    meter = Meter()
    assert not meter.is_full(TURN_BYTES // 2)
    assert not meter.is_full(TURN_BYTES // 2)
    assert meter.is_full(1)
    assert not meter.is_full(TURN_BYTES - 1)
    assert meter.is_full(1)


def test_work_that_is_larger_than_a_turn_has_one_for_itself() -> None:
    meter = Meter()
    assert not meter.is_full(10 * TURN_BYTES)
    assert meter.is_full(10 * TURN_BYTES)
    assert meter.is_full(1)


def test_a_turn_ends_after_its_time() -> None:
    now = 0.0
    meter = Meter(lambda: now)
    assert not meter.is_full(5000)
    now += TURN_S / 2
    assert not meter.is_full(5000)
    now += TURN_S
    assert meter.is_full(5000)
    now += 100 * TURN_S
    assert not meter.is_full(5000), "the time between two turns counts"


def test_the_clock_is_not_read_for_every_short_text() -> None:
    readings: list[None] = []

    def clock() -> float:
        readings.append(None)
        return 0.0

    meter = Meter(clock)
    assert not any(meter.is_full(100) for _ in range(100))
    assert 2 == len(readings)


def test_garbage_is_not_collected_while_a_long_text_is_worked_on() -> None:
    assert not uncollected(lambda _: gc.isenabled(), LONG_TEXT)
    assert gc.isenabled()


def test_garbage_is_collected_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        uncollected(int, LONG_TEXT + b"x")
    assert gc.isenabled()


def test_a_garbage_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        assert not uncollected(lambda _: gc.isenabled(), LONG_TEXT)
        assert not gc.isenabled()
    finally:
        gc.enable()
