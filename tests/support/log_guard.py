"""A guard that fails a test for an error in the log that the test did not announce."""

import logging


class LogGuard(logging.Handler):
    """Handler that collects the records of level error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.expected: list[str] = []
        self._records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def unexpected(self) -> list[str]:
        """Return the errors that were not announced, as text."""
        return [
            f"{record.name}: {record.getMessage()} {getattr(record, 'fields', '')}"
            for record in self._records
            if record.getMessage() not in self.expected
        ]

    def missing(self) -> list[str]:
        """Return the announced events that were not logged."""
        seen = {record.getMessage() for record in self._records}
        return [event for event in self.expected if event not in seen]
