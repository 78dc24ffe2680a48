"""The local file system with faults that a test plans."""

from collections.abc import Iterable

from storage.filesystem import LocalFileSystem
from tests.support.failing_filesystem import FailingFileSystem
from tests.support.fault_policies import Fault, PlannedFaults

__all__ = ["Fault", "FaultyFileSystem"]


class FaultyFileSystem(PlannedFaults, FailingFileSystem):
    """The file system of this machine, and the plan of its faults."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        PlannedFaults.__init__(self, faults)
        FailingFileSystem.__init__(self, LocalFileSystem(), policy=self)
