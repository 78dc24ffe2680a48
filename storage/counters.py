"""What became of every event, since the start of the process.

Two equations hold whenever the event loop looks:

    received = durable + duplicate + rejected + refused
    recovered + durable = delivered + lost + pending

`pending` is not counted here: the journal and the backlog know it.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """The counters; each counts events.

    `arrived` counts those that were read, `recovered` those that the journal held at start,
    `lost` those that a disk or a person took out of it: corrupt records, removed segments.
    A body that cannot be read as events counts as one.
    """

    arrived: int = 0
    durable: int = 0
    duplicate: int = 0
    rejected: int = 0
    refused: int = 0
    recovered: int = 0
    delivered: int = 0
    lost: int = 0

    @property
    def received(self) -> int:
        """Those whose fate is known."""
        return self.durable + self.duplicate + self.rejected + self.refused

    def report(self, pending: int) -> dict[str, int]:
        """All of it, for people; `in_flight` are those whose fate is not known yet."""
        return {
            "received": self.received,
            "durable": self.durable,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "refused": self.refused,
            "in_flight": self.arrived - self.received,
            "recovered": self.recovered,
            "delivered": self.delivered,
            "lost": self.lost,
            "pending": pending,
        }
