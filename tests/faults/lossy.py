"""The file system in memory under random faults, from one process to the next."""

import random

from tests.support.failing_filesystem import FailingFileSystem
from tests.support.fault_policies import RandomFaults
from tests.support.memory_filesystem import MemoryFileSystem


class LossyFileSystem(FailingFileSystem):
    """A `disk` that loses unsynced changes, and its `faults`."""

    def __init__(self, chance: random.Random, disk: MemoryFileSystem | None = None) -> None:
        self.disk = disk or MemoryFileSystem(chance)
        self.faults = RandomFaults(chance)
        self._chance = chance
        super().__init__(self.disk, self.faults)

    def after_kill(self) -> "LossyFileSystem":
        """Return the file system of the next process after this one was killed, without faults."""
        return LossyFileSystem(self._chance, self.disk.after_kill())

    def after_power_cut(self) -> "LossyFileSystem":
        """Return the file system of the next process after a power cut, without faults."""
        return LossyFileSystem(self._chance, self.disk.after_power_cut())
