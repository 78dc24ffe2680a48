import pytest

from storage.delivery.drain_rate import DrainRate

MIB = 1024 * 1024


class Bench:
    def __init__(self) -> None:
        self.now = 0.0
        self.rate = DrainRate(lambda: self.now)


@pytest.mark.parametrize(
    ("per_second", "expected"),
    [(32 * MIB, 1), (16 * MIB, 1), (8 * MIB, 2), (MIB, 16), (100_000, 168), (1000, 300)],
)
def test_the_estimate_is_the_time_in_which_16_mib_are_deleted(
    per_second: int, expected: int
) -> None:
    bench = Bench()
    for second in range(200):
        bench.now = second
        bench.rate.add(per_second)
    bench.now = 199.5
    assert bench.rate.seconds_until_free() == pytest.approx(expected, abs=max(1, expected * 0.02))


def test_the_estimate_without_recent_deletions_is_a_minute() -> None:
    bench = Bench()
    assert bench.rate.seconds_until_free() == 60
    bench.rate.add(100 * MIB)
    assert bench.rate.seconds_until_free() == 1
    bench.now = 60.1
    assert bench.rate.seconds_until_free() == 60


def test_the_first_minute_counts_from_the_start() -> None:
    bench = Bench()
    bench.now = 10.0
    bench.rate.add(16 * MIB)
    assert bench.rate.seconds_until_free() == 10
