"""Why the journal did not take events: the only thing handlers know of it.

A refusal means that none of the events handed over is known to be durable (save `Unconfirmed`),
and the client should send them again. They are cut off the journal, so that they are not
delivered unless the process dies after a failed sync, before the disk lets it cut.
"""


class Refusal(Exception):
    """The journal did not take the events.

    `code` is a stable word for programs, `retry_after_s` whole seconds after which it is
    worth trying again. With `may_deliver` the events are durable all the same: only an event
    that is sent again under the same id is stored once.
    """

    code = "unavailable"
    may_deliver = False

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class JournalFull(Refusal):
    """`JOURNAL_MAX_BYTES` is reached: the store has not kept up, or is away."""

    code = "journal_full"


class JournalBusy(Refusal):
    """More is waiting for the disk than may be held in memory."""

    code = "journal_busy"


class JournalUnavailable(Refusal):
    """The disk refused a write or a sync."""

    code = "journal_unavailable"


class JournalClosed(Refusal):
    """The server is shutting down."""

    code = "shutting_down"


class Unconfirmed(Refusal):
    """The events are durable here, and the store has not acknowledged them in time."""

    code = "delivery_unconfirmed"
    may_deliver = True
