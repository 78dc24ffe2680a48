"""Counters of events by outcome, since the start of the process.

Two equations hold between any two steps of the event loop:

    received = durable + duplicate + rejected + refused
    recovered + durable = delivered + lost + pending

`conflict` is in neither, since a conflict counts as durable. `pending` is not counted here: the
journal and the backlog compute it.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Numbers of events.

    `arrived` counts events that were read, `recovered` those that were in the journal at start,
    `lost` those that a disk or a person took out of it: corrupt records and removed segments.
    A body that cannot be read as events counts as one. `conflict` counts those durable events whose
    id belonged to another event, and that were therefore kept under another id.
    """

    arrived: int = 0
    durable: int = 0
    conflict: int = 0
    duplicate: int = 0
    rejected: int = 0
    refused: int = 0
    recovered: int = 0
    delivered: int = 0
    lost: int = 0

    @property
    def received(self) -> int:
        """Events whose outcome is known."""
        return self.durable + self.duplicate + self.rejected + self.refused

    def report(self, pending: int) -> dict[str, int]:
        """Return the counters by name; `in_flight` counts events whose outcome is not known yet."""
        return {
            "received": self.received,
            "durable": self.durable,
            "conflict": self.conflict,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "refused": self.refused,
            "in_flight": self.arrived - self.received,
            "recovered": self.recovered,
            "delivered": self.delivered,
            "lost": self.lost,
            "pending": pending,
        }
