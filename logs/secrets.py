"""Texts from outside, such as errors of libraries and services, made fit to be shown.

They may hold a password, may be megabytes long, and may have characters that a terminal obeys.
"""

import re

_HIDDEN = "***"
MAX_SHOWN_CHARS = 1000
# What a pattern searches, so that no text makes it slow. Nothing beyond is shown.
_MAX_SEARCHED_CHARS = 4 * MAX_SHOWN_CHARS

_OF_SECRETS = r"secret|passw|passphrase|(?:security|session)[_-]?token"

# Of a URL everything up to the last @ may be a password. Access key ids are no secrets, and so the
# credential scope of a signature stays.
_SECRETS = tuple(
    (re.compile(pattern, re.ASCII | re.I), replacement)
    for pattern, replacement in (
        (r"://\S*@", f"://{_HIDDEN}@"),
        (r"((?:\bsig|(?:signature|token)[\w-]*)=)[^\s&\"'<>,;]+", rf"\1{_HIDDEN}"),
        (rf"((?:{_OF_SECRETS})[\w-]*[\"']?\s?[=:]\s?)[^\s&<>,;}}]+", rf"\1{_HIDDEN}"),
        (r"(authorization[\"']?\s?[=:]\s?).*", rf"\1{_HIDDEN}"),
        # http.client quotes the header field, such as a session token with a line end.
        (r"(invalid header value ).*", rf"\1{_HIDDEN}"),
        # urllib3 quotes the part of a proxy's URL that it took for the host.
        (r"(failed to parse: ).*", rf"\1{_HIDDEN}"),
    )
)


def masked(text: str) -> str:
    """Replace passwords in URLs, signatures and tokens; access key ids stay.

    Takes time in proportion to the square of the text's length: limit it first.
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def shown(text: str, max_chars: int = MAX_SHOWN_CHARS) -> str:
    """Return the text without secrets, printable, on one line, with at most `max_chars`."""
    text = masked(text[:_MAX_SEARCHED_CHARS])
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= max_chars else f"{text[: max_chars - 3]}..."
