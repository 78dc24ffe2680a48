"""The trial of the machine by `server.py --check`: the journal directory and the address.

For an operator before the first start: each finding says in plain words what works or fails, and
then what to do.
"""

import socket
from collections.abc import Iterator

from journal_tools.findings import Finding, advice
from journal_tools.mounts import danger_of, file_system_of
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryInUse, DirectoryLock
from storage.journal.permissions import open_to_others

_FOREIGN_HOST = (
    "shells and CI systems set HOST for purposes of their own -- unset it, or set it to an address "
    "of this machine"
)


def check_journal(directory: JournalDirectory) -> Finding:
    """Make the directory, take its lock, write and sync a file in it."""
    path = directory.path
    try:
        directory.make()
        lock = DirectoryLock(directory)
    except DirectoryInUse as error:
        return Finding(False, f"journal: {error}; stop that process, or set another JOURNAL_DIR")
    except OSError as error:
        return Finding(False, f"journal: {path} cannot be used: {error}{advice(error)}")
    try:
        directory.check_writable()
        directory.sync()
    except OSError as error:
        return Finding(False, f"journal: {path} cannot be written: {error}{advice(error)}")
    finally:
        lock.release()
    return Finding(True, f"journal: {path} can be written and synced")


def check_file_system(directory: JournalDirectory, mounts: str) -> Iterator[Finding]:
    """Warn if the directory is not on a local disk; `mounts` is /proc/self/mountinfo."""
    path = directory.path
    file_system = file_system_of(path.resolve(), mounts)
    danger = file_system and danger_of(file_system)
    if danger:
        text = f"journal: {path} is on {file_system}, {danger}"
        remedy = "set JOURNAL_DIR to a directory on a local disk or a volume, or set ACK=delivered"
        yield Finding(True, f"{text} -- {remedy}", warns=True)


def check_permissions(directory: JournalDirectory) -> Iterator[Finding]:
    """Warn if other users may write to the directory, which exists, or to a part of it."""
    for found in open_to_others(directory):
        yield Finding(True, f"journal: {found.path} {found.cause} -- {found.remedy}", warns=True)


def check_host(host: str) -> Finding:
    """Find out if the server could listen at HOST, which is empty for all interfaces."""
    if not host:
        return Finding(True, "host: the server listens on all interfaces")
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return Finding(False, f"host: HOST is {host}, not a known name ({error}); {_FOREIGN_HOST}")
    addresses = [(family, str(address[0])) for family, *_, address in found]
    if not any(_can_listen(*each) for each in addresses):
        return Finding(False, f"host: HOST is {host}, no address of this machine; {_FOREIGN_HOST}")
    is_name = all(address != host for _, address in addresses) and host != "localhost"
    if is_name and all(_is_loopback(address) for _, address in addresses):
        text = f"host: HOST is {host}, which only programs on this machine can reach"
        return Finding(True, f"{text}; {_FOREIGN_HOST}", warns=True)
    return Finding(True, f"host: the server listens on {host}")


def _can_listen(family: int, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.bind((address, 0))
    except OSError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
