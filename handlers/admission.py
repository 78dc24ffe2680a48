"""Admission: the decision whether a request may send events, made before any event is read.

`decide_admission` asks for it once for each request, whichever way the events come: one at a time,
as a batch, in an image's query, in a self-test, and for the preflight of each of these. By then
nothing of an event has been parsed, logged or written.

Further rules have their places:

- A rule on the request head, such as a write key (401, 403), is one more step of
  `AdmissionPolicy.decide`; the header field that it reads is one more fact. A preflight carries no
  credentials, so a rule that needs them must let OPTIONS pass.
- A rule on the number of events, such as a rate limit (429), is a second method of the policy,
  for `Ingestion._count_arrived` to ask: every way calls it as soon as the number is known, and
  before the journal sees an event.
- A rule under which events are dropped although the request succeeds, such as a privacy signal,
  is one more field of `Admission`, beside `error`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from handlers.cors import CorsDecision, CorsPolicy
from handlers.errors import ApiError

# Mail clients and apps have schemes of their own; only a web page has an origin to judge.
_WEB_ORIGIN = re.compile(r"https?://[^/?#\s]+", re.I)


class RequestFacts(NamedTuple):
    """Facts from a request's head on which its admission depends.

    `origin` is the decision on the Origin header, `referer` the value of the Referer header;
    `own_hosts` are the names under which the request reached the server.
    """

    method: str
    origin: CorsDecision
    referer: str | None = None
    own_hosts: Sequence[str] = ()

    @property
    def names_no_origin(self) -> bool:
        """True if the request has no Origin header; a refused origin is not echoed either."""
        return self.origin.allowed and self.origin.origin is None


class Admission(NamedTuple):
    """A decision: the request is admitted, unless there is an `error` to respond with."""

    error: ApiError | None = None


_ADMITTED = Admission()


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """The rules for admission: `origins` are those whose pages may send events."""

    origins: CorsPolicy

    def decide(self, facts: RequestFacts) -> Admission:
        """Decide on a request by its head alone."""
        origin = self._page_origin(facts)
        return _ADMITTED if origin.allowed else Admission(_origin_error(origin))

    def _page_origin(self, facts: RequestFacts) -> CorsDecision:
        """Return the decision on the origin of the page that sends.

        Browsers send no Origin header with an image, which is the only GET that carries an event;
        the page that shows it is in the Referer.
        """
        if facts.method != "GET" or not facts.names_no_origin:
            return facts.origin
        page = _WEB_ORIGIN.match(facts.referer or "")
        return facts.origin if page is None else self.origins.decide(page[0], facts.own_hosts)


def _origin_error(origin: CorsDecision) -> ApiError:
    message = f"the page's origin is not allowed to send events here: {origin.reason}"
    return ApiError("origin_not_allowed", message)
