"""The file system that a directory is on, and what that means for a journal.

See proc_pid_mountinfo(5) for the format.
"""

import re
from pathlib import Path, PurePosixPath

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_POINT_FIELD = 4

_MEMORY = "which is in memory: events that are not delivered yet are lost when the machine restarts"
_LAYER = (
    "the container's own layer: events that are not delivered yet are lost with the container, "
    "which every update replaces"
)
_NETWORK = (
    "which is no local disk: neither its locks nor its syncs keep the promises of the journal, and "
    "requests wait for it"
)
_NETWORK_TYPES = re.compile(
    r"nfs4?|cifs|smbfs|smb[23]|9p|afs|ceph|glusterfs|lustre|beegfs|gpfs|ocfs2|gfs2|fuse\..*"
)


def read_mounts() -> str:
    """Return the mounts of this process, or nothing where the system does not list them."""
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def file_system_of(directory: Path, mounts: str) -> str | None:
    """Return the type of the file system on which a resolved directory is, None if unknown."""
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        if not rest or len(fields.split()) <= _POINT_FIELD:
            continue
        point = PurePosixPath(_ESCAPE.sub(_unescaped, fields.split()[_POINT_FIELD]))
        # A later mount on the same point hides an earlier one.
        if directory.is_relative_to(point) and (not found or len(point.parts) >= found[0]):
            found = (len(point.parts), rest.split()[0])
    return found and found[1]


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def danger_of(file_system: str) -> str | None:
    """Return what a journal on such a file system risks, None for a local disk."""
    if file_system in ("tmpfs", "ramfs"):
        return _MEMORY
    if file_system in ("overlay", "aufs"):
        return _LAYER
    return _NETWORK if _NETWORK_TYPES.fullmatch(file_system) else None
