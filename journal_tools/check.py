"""The trial of the machine by `server.py --check`: the journal directory.

For an operator before the first start: each finding says in plain words what works or fails, and
then what to do.
"""

from journal_tools.findings import Finding, advice
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryInUse, DirectoryLock


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
