import pytest

from storage.delivery.backoff import PERMANENT, TRANSIENT, Backoff


@pytest.mark.parametrize(
    ("attempt", "longest_s"), [(1, 0.2), (2, 0.4), (3, 0.8), (8, 25.6), (9, 30.0), (5000, 30.0)]
)
def test_transient_waits_double_up_to_their_cap(attempt: int, longest_s: float) -> None:
    assert TRANSIENT.delay_s(attempt, lambda: 1.0) == pytest.approx(longest_s)


def test_full_jitter_goes_down_to_nothing() -> None:
    assert 0.0 == TRANSIENT.delay_s(5, lambda: 0.0)


def test_a_permanent_error_is_never_retried_quickly() -> None:
    assert 2.5 == PERMANENT.delay_s(1, lambda: 0.0)
    assert 60.0 == PERMANENT.delay_s(100, lambda: 1.0)


def test_chance_decides_between_the_floor_and_the_whole_wait() -> None:
    assert 6.0 == Backoff(base_s=8.0, cap_s=60.0, floor=0.5).delay_s(1, lambda: 0.5)
