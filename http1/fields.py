"""The header fields of a request, as they were received."""

from collections.abc import Iterable

from tornado.httputil import HTTPHeaders

_SPACE = b" \t"


class HeaderFields:
    """Header fields that llhttp has checked.

    `by_name` has the value of each, without white space around it, by its name in lower case; of
    several fields of one name it has the last. `are_unique` is True if no two have the same name.
    """

    __slots__ = ("_received", "are_unique", "by_name")

    def __init__(self, received: list[tuple[bytes, bytes]]) -> None:
        self._received = received
        self.by_name = {name.lower(): value.strip(_SPACE) for name, value in received}
        self.are_unique = len(self.by_name) == len(received)

    def repeated(self, names: Iterable[bytes]) -> bytes | None:
        """Return one of these names that several fields have, as it was received, or None."""
        if self.are_unique:
            return None
        seen = set()
        for name, _ in self._received:
            key = name.lower()
            if key in seen and key in names:
                return name
            seen.add(key)
        return None

    def as_headers(self) -> HTTPHeaders:
        """Return the fields as Tornado has them: each byte a character.

        HTTPInputError if Tornado refuses a repeated field.
        """
        headers = HTTPHeaders()
        for raw_name, raw_value in self._received:
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1").rstrip(" \t")
            if name in headers:
                headers.add(name, value)
            else:
                headers[name] = value
        return headers
