import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from storage.dedup.deduplicator import Durable
from storage.delivery.delivered_ack import DeliveredAck
from storage.refusals import JournalClosed, Refusal, Unconfirmed


@dataclass
class Parts:
    """The deduplicator, journal, backlog and shipper of an acknowledgement, all in one."""

    segments: set[str]
    in_journal: set[str] = field(default_factory=set)
    in_backlog: set[str] = field(default_factory=set)
    deliveries: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refused: Refusal | None = None

    def refusal(self) -> Refusal | None:
        return self.refused

    async def append(self, lines: Any, ids: Any) -> Durable:
        if self.refused is not None:
            raise self.refused
        return Durable(frozenset({1}), self.segments)

    def holds(self, segment_id: str) -> bool:
        return segment_id in self.in_journal

    def may_hold(self, segment_id: str) -> bool:
        return segment_id in self.in_backlog

    async def wait_for_delivery(self, segment_id: str) -> bool:
        self.asked.append(segment_id)
        if segment_id not in self.deliveries:
            await asyncio.Event().wait()
        return self.deliveries[segment_id]


def ack(parts: Parts) -> DeliveredAck:
    each = cast(Any, parts)
    return DeliveredAck(each, each, each, each, timeout_s=0)


async def append(parts: Parts) -> Durable:
    return await ack(parts).append([b"{}", b"{}"], ["a", None])


async def test_it_returns_when_the_open_and_the_sealed_segments_are_delivered() -> None:
    parts = Parts({"s1", "s2"}, {"s1"}, {"s2"}, {"s1": True, "s2": True})
    assert frozenset({1}) == (await append(parts)).duplicates
    assert ["s1", "s2"] == sorted(parts.asked)


async def test_a_segment_that_is_neither_open_nor_pending_is_delivered() -> None:
    parts = Parts({"s1"})
    await append(parts)
    assert [] == parts.asked


async def test_events_that_the_store_does_not_acknowledge_in_time_are_unconfirmed() -> None:
    parts = Parts({"s1", "s2"}, {"s1", "s2"}, deliveries={"s1": True})
    with pytest.raises(Unconfirmed, match="may still be delivered") as caught:
        await append(parts)
    assert caught.value.retry_after_s > 0


async def test_events_of_a_segment_that_was_removed_are_unconfirmed() -> None:
    with pytest.raises(Unconfirmed):
        await append(Parts({"s1"}, {"s1"}, deliveries={"s1": False}))


async def test_a_refusal_is_that_of_the_journal() -> None:
    refused = JournalClosed("the server is shutting down", 5)
    parts = Parts(set(), refused=refused)
    assert refused is ack(parts).refusal()
    with pytest.raises(JournalClosed):
        await append(parts)
