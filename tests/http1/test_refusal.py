import logging

import pytest

from handlers.connection_errors import ConnectionErrors
from http1.parser import BadRequest, HeadTooLarge
from http1.refusal import RequestTimeout, refusal


@pytest.mark.parametrize(
    ("failure", "status", "event"),
    [
        (BadRequest("why"), b"400", "malformed request"),
        (HeadTooLarge("why"), b"431", "malformed request"),
        (RequestTimeout("why"), b"408", "late request"),
    ],
)
def test_a_failure_has_its_response_and_its_log_line(
    failure: BadRequest | RequestTimeout,
    status: bytes,
    event: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        response = refusal(ConnectionErrors(), failure, "192.0.2.1")
    assert status == response.split()[1]
    (record,) = caplog.records
    fields = vars(record)["fields"]
    assert (event, "why", "192.0.2.1") == (record.message, fields["cause"], fields["client"])
    assert f"X-Request-Id: {fields['request_id']}\r\n".encode() in response
