"""What becomes of an event that was read."""

from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from validation.problems import Problem


class RequestInfo(NamedTuple):
    """What the server knows of a request: UTC time as text, the client's address and agent."""

    received_at: str
    ip_address: str | None
    user_agent: str | None


# A Struct, since one is made for every event: it costs less than a tuple with names.
class Accepted(Struct, frozen=True, gc=False):
    """An event in its final form: a line of JSON without its line end.

    `client_event_id` is its id if the client gave it, None if it was made here.
    """

    event_id: str
    line: bytes
    client_event_id: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that breaks a rule: a code for programs, and everything that is wrong."""

    code: str
    message: str
    problems: tuple[Problem, ...] = ()
