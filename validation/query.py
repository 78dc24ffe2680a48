"""Events in the query of a URL."""

from base64 import urlsafe_b64decode
from urllib.parse import parse_qsl

from validation.fields import CLIENT_FIELDS, SERVER_FIELDS
from validation.problems import excerpt
from validation.strict_json import NotJsonError, Parsed, parse

_WHOLE_EVENT = "data"
_PROPERTY = "p."
_ABSENT: tuple[object, ...] = (None, "", [])

# Their text identifies something, so that no character of it is ever replaced.
_STRICT = CLIENT_FIELDS | SERVER_FIELDS | {_WHOLE_EVENT}

# Bytes that are not UTF-8 become lone surrogates, and these become bytes again.
_KEEP_BYTES = "surrogateescape"

_TO_BASE64URL = str.maketrans("+/", "-_")

# Far more than fit into a URL that proxies let through.
_MAX_PARAMETERS = 1000


class QueryError(ValueError):
    """A query that cannot be read as an event; the message is for the client."""


def event_in_query(query: str) -> Parsed:
    """Return the event that a query describes, before any rule is checked.

    A parameter is a field and `p.<name>` a property, both as text; `data` is a whole event as JSON
    in base64url (RFC 4648, section 5) or base64, to which the others are added. Bytes that are not
    UTF-8 are replaced by U+FFFD in properties and in fields of the client's own. Raises QueryError,
    also for a name that appears twice.
    """
    given = _parameters(query)
    whole = given.pop(_WHOLE_EVENT, None)
    parsed = Parsed({}, is_exact=True) if whole is None else _decoded(whole)
    event = parsed.value
    if not isinstance(event, dict):
        # An object with equal keys, which is a problem of the event.
        if isinstance(event, tuple):
            return parsed
        raise QueryError(f"{_WHOLE_EVENT} must be a JSON object")
    for name, text in given.items():
        _add(event, name, text)
    return parsed


def _parameters(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors=_KEEP_BYTES, max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:
        raise QueryError(f"a query may have at most {_MAX_PARAMETERS} parameters") from None
    given: dict[str, str] = {}
    for raw_name, raw_text in pairs:
        name = _decoded_text(raw_name)
        text = _decoded_text(raw_text)
        if name in _STRICT and text != raw_text:
            raise QueryError(f"{name} must be UTF-8, percent-encoded")
        if name in given:
            raise QueryError(f"the parameter {excerpt(name)} appears twice: send it once")
        given[name] = text
    return given


# Mail programs and old pages send Latin-1. That costs a character, not the event.
def _decoded_text(text: str) -> str:
    return text.encode("utf-8", _KEEP_BYTES).decode("utf-8", "replace")


def _decoded(text: str) -> Parsed:
    try:
        packed = urlsafe_b64decode(_padded(text))
    except ValueError:
        message = f"{_WHOLE_EVENT} must be base64url (RFC 4648, section 5)"
        raise QueryError(message) from None
    try:
        return parse(packed)
    except NotJsonError as error:
        raise QueryError(f"{_WHOLE_EVENT} is {error}") from None


def _padded(text: str) -> bytes:
    """Return the text with its padding; ValueError if it has a character outside the alphabet."""
    bare = text.rstrip("=").translate(_TO_BASE64URL)
    if not bare.isascii() or not bare.replace("-", "").replace("_", "").isalnum():
        raise ValueError
    return f"{bare}{'=' * (-len(bare) % 4)}".encode("ascii")


def _add(event: dict[str, object], name: str, text: str) -> None:
    target = event
    if name.startswith(_PROPERTY):
        if event.get("properties") in _ABSENT:
            event["properties"] = {}
        properties = event["properties"]
        if not isinstance(properties, dict):
            raise QueryError(f"{excerpt(name)} cannot be added: properties is not an object")
        target, field = properties, name.removeprefix(_PROPERTY)
    else:
        field = name
    if field in target:
        raise QueryError(f"{excerpt(name)} is both a parameter and in {_WHOLE_EVENT}: send it once")
    target[field] = text
