import dataclasses

import pytest

from tests.validation.readers import make_reader
from validation.outcomes import Accepted, Rejected, RequestInfo

INFO = RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", None)


@pytest.mark.parametrize("own", [b"", b',"own":1'], ids=["fast path", "schema"])
def test_an_outcome_has_the_id_of_the_client_only_if_it_sent_one(own: bytes) -> None:
    sent = make_reader().single(b'{"event_id":"e1","event_type":"c"%b}' % own, INFO)
    made = make_reader().single(b'{"event_type":"c"%b}' % own, INFO)
    assert isinstance(sent, Accepted)
    assert isinstance(made, Accepted)
    assert ("e1", "e1") == (sent.event_id, sent.client_event_id)
    assert ("made", None) == (made.event_id, made.client_event_id)


def test_an_outcome_cannot_be_changed() -> None:
    accepted, rejected = Accepted("e", b"{}", None), Rejected("invalid_event", "why")
    with pytest.raises(AttributeError):
        accepted.event_id = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        rejected.code = "other"  # type: ignore[misc]
