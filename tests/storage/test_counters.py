from hypothesis import given
from hypothesis import strategies as st

from storage.counters import Counters

NUMBERS = st.integers(0, 10**9)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_received_events_are_those_with_an_outcome(
    durable: int, duplicate: int, rejected: int, refused: int, in_flight: int
) -> None:
    received = durable + duplicate + rejected + refused
    counters = Counters(
        arrived=received + in_flight,
        durable=durable,
        duplicate=duplicate,
        rejected=rejected,
        refused=refused,
    )
    assert received == counters.received
    report = counters.report(pending=0)
    assert (received, in_flight) == (report["received"], report["in_flight"])


def test_every_counter_is_reported_by_its_name() -> None:
    counters = Counters(
        arrived=110,
        durable=1,
        conflict=9,
        duplicate=2,
        rejected=3,
        refused=4,
        recovered=5,
        delivered=6,
        lost=7,
    )
    assert {
        "received": 10,
        "durable": 1,
        "conflict": 9,
        "duplicate": 2,
        "rejected": 3,
        "refused": 4,
        "in_flight": 100,
        "recovered": 5,
        "delivered": 6,
        "lost": 7,
        "pending": 8,
    } == counters.report(pending=8)


def test_a_process_begins_at_zero() -> None:
    assert {0} == set(Counters().report(pending=0).values())
