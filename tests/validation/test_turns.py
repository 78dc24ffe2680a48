from validation.turns import TURN_BYTES, Meter, Turns, at_once


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
