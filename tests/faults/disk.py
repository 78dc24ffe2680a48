"""The server on a disk whose faults a file controls: see `ControlledFaults`.

python -m tests.faults.disk CONTROL_FILE
"""

import os
import sys
from pathlib import Path

import collector
import server
from storage.filesystem import LocalFileSystem
from tests.support.failing_filesystem import FailingFileSystem
from tests.support.fault_policies import ControlledFaults


def main(control_file: str) -> int:
    """Run the server and return its exit code."""
    fs = FailingFileSystem(LocalFileSystem(), ControlledFaults(Path(control_file)))
    vars(collector)["LocalFileSystem"] = lambda: fs
    return server.main([])


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)
