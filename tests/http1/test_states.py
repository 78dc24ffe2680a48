from itertools import product

import pytest

from http1.states import TRANSITIONS, Event, IllegalTransition, State, next_state

# One row for each event, one column for each state, in their order; `-` is illegal.
TABLE = """
          IDLE       PREPARING RECEIVING  RESPONDING CLOSING CLOSED
STARTED   PREPARING  -         -          -          -       -
READY     -          RECEIVING -          -          -       -
TAKEN     RESPONDING -         -          -          -       -
COMPLETE  -          -         RESPONDING -          -       -
RESPONDED -          IDLE      IDLE       IDLE       -       -
LAST      -          CLOSING   CLOSING    CLOSING    -       -
BROKEN    -          IDLE      IDLE       -          -       -
REFUSED   CLOSING    CLOSING   -          -          -       -
ENDED     CLOSING    -         -          -          -       -
FAILED    CLOSING    CLOSING   CLOSING    CLOSING    CLOSING -
LOST      CLOSED     CLOSED    CLOSED     CLOSED     CLOSED  -
"""

ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]
CASES = [
    (state, event, None if after == "-" else State[after])
    for event, (_, *row) in zip(Event, ROWS, strict=True)
    for state, after in zip(State, row, strict=True)
]


def test_the_table_has_every_pair_of_state_and_event() -> None:
    assert list(product(Event, State)) == [(event, state) for state, event, _ in CASES]


@pytest.mark.parametrize(
    ("state", "event", "after"),
    CASES,
    ids=[f"{state.name}-{event.name}" for state, event, _ in CASES],
)
def test_an_event_leads_to_one_state_or_is_an_error(
    state: State, event: Event, after: State | None
) -> None:
    if after is None:
        with pytest.raises(IllegalTransition, match=f"{event.name} in state {state.name}"):
            next_state(state, event)
    else:
        assert after is next_state(state, event)


def test_every_open_connection_may_be_lost() -> None:
    open_states = [state for state in State if state is not State.CLOSED]
    assert open_states == [state for state in State if Event.LOST in TRANSITIONS[state]]


def test_nothing_leads_back_from_closing() -> None:
    after = set(TRANSITIONS[State.CLOSING].values()) | set(TRANSITIONS[State.CLOSED].values())
    assert {State.CLOSING, State.CLOSED} == after
