"""The states of a connection and the transitions between them.

A state describes the progress of the one request that is with the application. Requests that the
client sends ahead, and flow control, are independent of it.
"""

from enum import IntEnum, auto
from types import MappingProxyType
from typing import Final


class State(IntEnum):
    """The state of a connection. It starts as IDLE and ends as CLOSED.

    IDLE        no request is with the application
    PREPARING   the application has the head; its handler is not ready for the body yet
    RECEIVING   the handler takes the body
    RESPONDING  the application has the whole request; its response is to come
    CLOSING     no response follows; what was written is being sent, what arrives is discarded
    CLOSED      the socket is closed

    An IntEnum, here and below, since an Enum's hash is a Python function, and slow.
    """

    IDLE = auto()
    PREPARING = auto()
    RECEIVING = auto()
    RESPONDING = auto()
    CLOSING = auto()
    CLOSED = auto()


class Event(IntEnum):
    """A step in the life of a connection.

    REQUEST_STARTED   the head of a request is given to the application
    HANDLER_READY     the handler has seen the head and takes the body
    REQUEST_TAKEN     the application has the whole request, without a handler
    REQUEST_COMPLETE  the handler has been given the whole body
    RESPONDED         the response was written and the connection stays open
    RESPONDED_LAST    the response was written and announced that the connection closes
    BODY_BROKEN       the body is malformed, so the handler's response is not wanted any more
    REFUSED           an error was written in response to what is not a request
    ENDED             an idle connection was closed from this side
    FAILED            the parser or the handler raised an unexpected exception
    LOST              the socket was closed, by either side
    """

    REQUEST_STARTED = auto()
    HANDLER_READY = auto()
    REQUEST_TAKEN = auto()
    REQUEST_COMPLETE = auto()
    RESPONDED = auto()
    RESPONDED_LAST = auto()
    BODY_BROKEN = auto()
    REFUSED = auto()
    ENDED = auto()
    FAILED = auto()
    LOST = auto()


# In Python 3.11 looking up `State.IDLE` takes several times as long as a module's own name.
IDLE: Final = State.IDLE
PREPARING: Final = State.PREPARING
RECEIVING: Final = State.RECEIVING
RESPONDING: Final = State.RESPONDING
CLOSING: Final = State.CLOSING
CLOSED: Final = State.CLOSED

REQUEST_STARTED: Final = Event.REQUEST_STARTED
HANDLER_READY: Final = Event.HANDLER_READY
REQUEST_TAKEN: Final = Event.REQUEST_TAKEN
REQUEST_COMPLETE: Final = Event.REQUEST_COMPLETE
RESPONDED: Final = Event.RESPONDED
RESPONDED_LAST: Final = Event.RESPONDED_LAST
BODY_BROKEN: Final = Event.BODY_BROKEN
REFUSED: Final = Event.REFUSED
ENDED: Final = Event.ENDED
FAILED: Final = Event.FAILED
LOST: Final = Event.LOST


class IllegalTransition(Exception):
    """An event that is illegal in the current state: a defect of the connection."""


# A handler may respond before it has the whole body. REFUSED in PREPARING means that the
# application raised HTTPInputError for the head.
TRANSITIONS: Final = MappingProxyType(
    {
        IDLE: {
            REQUEST_STARTED: PREPARING,
            REQUEST_TAKEN: RESPONDING,
            REFUSED: CLOSING,
            ENDED: CLOSING,
            FAILED: CLOSING,
            LOST: CLOSED,
        },
        PREPARING: {
            HANDLER_READY: RECEIVING,
            RESPONDED: IDLE,
            RESPONDED_LAST: CLOSING,
            BODY_BROKEN: IDLE,
            REFUSED: CLOSING,
            FAILED: CLOSING,
            LOST: CLOSED,
        },
        RECEIVING: {
            REQUEST_COMPLETE: RESPONDING,
            RESPONDED: IDLE,
            RESPONDED_LAST: CLOSING,
            BODY_BROKEN: IDLE,
            FAILED: CLOSING,
            LOST: CLOSED,
        },
        RESPONDING: {
            RESPONDED: IDLE,
            RESPONDED_LAST: CLOSING,
            FAILED: CLOSING,
            LOST: CLOSED,
        },
        # A handler that has responded is still given the rest of the body that has arrived.
        CLOSING: {FAILED: CLOSING, LOST: CLOSED},
        CLOSED: {},
    }
)


def next_state(state: State, event: Event) -> State:
    """Return the state after `event`; IllegalTransition if it is illegal in `state`."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"{event.name} in state {state.name}") from None
