"""Monthly cost of Amazon S3 by event rate, layout and flush interval.

    .venv/bin/python -m benchmarks.cost

Prices are those of S3 Standard in us-east-1 in 2025, in US dollars
(https://aws.amazon.com/s3/pricing/); transfer into S3 is free. An event has 460 bytes, 40
compressed.
"""

from dataclasses import dataclass

PUT_DOLLARS = 0.005 / 1000
GB_MONTH_DOLLARS = 0.023
MONTH_S = 30.44 * 86400

EVENT_BYTES = 460
COMPRESSED_BYTES = 40
SEGMENT_BYTES = 8 * 1024 * 1024
BATCH_ABOVE = 100

RATES = (1, 100, 10_000, 1_000_000)
FLUSHES_S = (1, 10, 60)

# Requests/s of one event each that one process on one core handles, with a margin.
PROCESS_RATE = 4000


@dataclass(frozen=True)
class Month:
    """Objects put in a month, the cost of the puts, and of storing their bytes for a month."""

    objects: float
    put_dollars: float
    storage_dollars: float


def month(rate: float, layout: str, flush_s: float) -> Month:
    """Compute a month at `rate` events/s, handled by as few processes as possible."""
    processes = max(1, -(-rate // PROCESS_RATE))
    is_batched = layout == "batch" or (
        layout == "auto" and rate * flush_s / processes > BATCH_ABOVE
    )
    segments = max(processes / flush_s, rate * EVENT_BYTES / SEGMENT_BYTES)
    objects = MONTH_S * (min(rate, segments) if is_batched else rate)
    size = COMPRESSED_BYTES if is_batched else EVENT_BYTES
    stored_gb = MONTH_S * rate * size / 1e9
    return Month(objects, objects * PUT_DOLLARS, stored_gb * GB_MONTH_DOLLARS)


def table() -> str:
    """Return the costs as a Markdown table."""
    lines = [
        "| events/s | layout | flush interval | objects/month | PUT cost | storage cost |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for rate in RATES:
        for layout, flush in [("event", 1), *(("batch", each) for each in FLUSHES_S)]:
            found = month(rate, layout, flush)
            lines.append(
                f"| {rate:,} | `{layout}` | {flush} s | {found.objects:,.0f} |"
                f" ${found.put_dollars:,.2f} | ${found.storage_dollars:,.2f} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
