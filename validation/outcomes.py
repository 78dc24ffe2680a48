"""The outcomes of reading an event: accepted or rejected."""

from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from validation.problems import Problem


class RequestInfo(NamedTuple):
    """Facts about a request that go into its events: UTC time of receipt, address, user agent."""

    received_at: str
    ip_address: str | None
    user_agent: str | None


# A Struct, since one is made for every event: it costs less than a named tuple.
class Accepted(Struct, frozen=True, gc=False):
    """An event in its stored form: `line` is JSON on one line, without a line end.

    `client_event_id` is the event's id if the client sent it, None if it was made here.
    """

    event_id: str
    line: bytes
    client_event_id: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that breaks a rule: a code for programs, a message, and the problems found.

    The message says how many `more_problems` there are than those listed.
    """

    code: str
    message: str
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0
