"""Why the journal did not take events: the only thing handlers know of it.

A refusal means that none of the events handed over is known to be durable, and the client
should send them again. They are cut off the journal, so that they are not delivered unless
the process dies after a failed sync, before the disk lets it cut.
"""


class Refusal(Exception):
    """The journal did not take the events.

    `code` is a stable word for programs, `retry_after_s` whole seconds after which it is
    worth trying again.
    """

    code = "unavailable"

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
