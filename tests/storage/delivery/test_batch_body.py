import gzip
import random
import zlib

import pytest

from storage.delivery import batch_body
from storage.delivery.batch_body import BatchBody
from tests.storage.segments import events

CHUNK = batch_body._CHUNK_LINES
SIZES = [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1]


def body(lines: list[bytes], portion: int = 50) -> bytes:
    made = BatchBody()
    portions = (lines[at : at + portion] for at in range(0, len(lines), portion))
    return b"".join(map(made.add, portions)) + made.finish()


@pytest.mark.parametrize("size", SIZES)
def test_a_batch_unpacks_to_one_event_a_line(size: int) -> None:
    expected = b"".join(line + b"\n" for line in events(size))
    assert expected == gzip.decompress(body(events(size)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("portion", [1, 32, CHUNK, 3 * CHUNK])
def test_the_same_events_give_the_same_bytes(size: int, portion: int) -> None:
    lines = events(size)
    assert body(lines) == body(lines, portion)


def test_a_batch_is_one_gzip_member_without_time_or_name() -> None:
    raw = body(events(3))
    method, flags, time = raw[2], raw[3], raw[4:8]
    assert (8, 0, bytes(4)) == (method, flags, time)
    unpacker = zlib.decompressobj(31)
    unpacker.decompress(raw)
    assert unpacker.eof
    assert unpacker.unused_data == b""


def test_a_batch_is_made_while_it_is_read() -> None:
    made = BatchBody()
    chance = random.Random(1)
    early = [made.add([chance.randbytes(1000).hex().encode()]) for _ in range(3 * CHUNK)]
    assert sum(map(len, early)) > 10 * len(made.finish())
