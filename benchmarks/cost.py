"""What Amazon S3 costs in a month, by rate, layout and flush interval.

    .venv/bin/python -m benchmarks.cost

Prices are those of us-east-1 for S3 Standard, in US dollars, as https://aws.amazon.com/s3/pricing/
had them in 2025; transfer into S3 is free. An event has 460 bytes as stored, 40 compressed.
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

# What one process takes on one core, one event a request, with room to spare.
PROCESS_RATE = 4000


@dataclass(frozen=True)
class Month:
    """Objects put in a month, and dollars for these and for keeping their bytes a month."""

    objects: float
    put_dollars: float
    kept_dollars: float


def month(rate: float, layout: str, flush_s: float) -> Month:
    """A month at `rate` events a second, all from as few processes as take it."""
    processes = max(1, -(-rate // PROCESS_RATE))
    is_batched = layout == "batch" or (
        layout == "auto" and rate * flush_s / processes > BATCH_ABOVE
    )
    segments = max(processes / flush_s, rate * EVENT_BYTES / SEGMENT_BYTES)
    objects = MONTH_S * (min(rate, segments) if is_batched else rate)
    size = COMPRESSED_BYTES if is_batched else EVENT_BYTES
    kept = MONTH_S * rate * size / 1e9
    return Month(objects, objects * PUT_DOLLARS, kept * GB_MONTH_DOLLARS)


def table() -> str:
    """The months as Markdown."""
    lines = [
        "| events a second | layout | flush | objects a month | PUT | a month's bytes, kept one |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for rate in RATES:
        for layout, flush in [("event", 1), *(("batch", each) for each in FLUSHES_S)]:
            found = month(rate, layout, flush)
            lines.append(
                f"| {rate:,} | `{layout}` | {flush} s | {found.objects:,.0f} |"
                f" ${found.put_dollars:,.2f} | ${found.kept_dollars:,.2f} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
