"""Reasons for which the journal refuses events: all that handlers know of it.

After a refusal none of the events is known to be durable (except after `Unconfirmed`), and the
client should retry. The events are cut off the journal, so that they are not delivered unless the
process dies after a failed sync, before the disk allows the cut.
"""


class Refusal(Exception):
    """The journal refused the events.

    `code` is a stable word for programs, `retry_after_s` the number of seconds to wait before a
    retry. With `may_deliver` the events are durable nevertheless: a retry stores an event once
    only if it has the same id.
    """

    code = "unavailable"
    may_deliver = False

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class JournalFull(Refusal):
    """`JOURNAL_MAX_BYTES` is reached: the store is too slow or unavailable."""

    code = "journal_full"


class JournalBusy(Refusal):
    """More bytes wait for the disk than may be held in memory."""

    code = "journal_busy"


class JournalUnavailable(Refusal):
    """The disk refused a write or a sync."""

    code = "journal_unavailable"


class JournalClosed(Refusal):
    """The server is shutting down."""

    code = "shutting_down"


class Unconfirmed(Refusal):
    """The events are durable, but the store has not acknowledged them in time."""

    code = "delivery_unconfirmed"
    may_deliver = True
