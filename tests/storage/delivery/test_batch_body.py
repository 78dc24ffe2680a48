import gzip
import random
import zlib

import pytest

from storage.delivery import batch_body
from storage.delivery.batch_body import BatchBody
from tests.storage.segments import events

PIECE = batch_body._PIECE_BYTES
SIZES = [0, 1, 2, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1]
TEXT = b"".join(line + b"\n" for line in events(3000))


def body(text: bytes, portion: int = 5000) -> bytes:
    made = BatchBody()
    portions = (text[at : at + portion] for at in range(0, len(text), portion))
    return b"".join(map(made.add, portions)) + made.finish()


@pytest.mark.parametrize("size", SIZES)
def test_a_batch_unpacks_to_the_lines_that_were_added(size: int) -> None:
    assert len(TEXT) > 2 * PIECE
    assert TEXT[:size] == gzip.decompress(body(TEXT[:size]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("portion", [57, PIECE, 3 * PIECE])
def test_the_same_lines_give_the_same_bytes(size: int, portion: int) -> None:
    assert body(TEXT[:size]) == body(TEXT[:size], portion)


def test_a_batch_is_one_gzip_member_without_time_or_name() -> None:
    raw = body(TEXT[:300])
    method, flags, time = raw[2], raw[3], raw[4:8]
    assert (8, 0, bytes(4)) == (method, flags, time)
    unpacker = zlib.decompressobj(31)
    unpacker.decompress(raw)
    assert unpacker.eof
    assert unpacker.unused_data == b""


def test_a_batch_is_made_while_it_is_read() -> None:
    made = BatchBody()
    chance = random.Random(1)
    early = [made.add(chance.randbytes(1000).hex().encode()) for _ in range(1000)]
    assert sum(map(len, early)) > 10 * len(made.finish())
