"""Host names and IP addresses as text: the grammar that settings and origins share."""

import re
from ipaddress import ip_address

MAX_HOST_CHARS = 253  # RFC 1035, section 2.3.4, as text without the last dot
MAX_PORT = 65535

# Labels may have underscores, which RFC 1123 forbids and container networks use.
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]|\.(?=[a-z0-9_]))*", re.ASCII | re.I)
_VISIBLE = re.compile(r"[!-~]+")


def is_host_name(text: str) -> bool:
    """Return True for labels with dots between them; they may consist of digits alone."""
    return len(text) <= MAX_HOST_CHARS and _NAME.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Return True for an IPv4 or IPv6 address without brackets, of visible characters."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return is_visible(text)


def is_visible(text: str) -> bool:
    """Return True for a text of visible ASCII characters, at least one."""
    return _VISIBLE.fullmatch(text) is not None
