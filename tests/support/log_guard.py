"""An error in the log that no test announced fails the test."""

import logging


class LogGuard(logging.Handler):
    """Collects what is logged as an error and is not among the announced events."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.expected: list[str] = []
        self._records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def unexpected(self) -> list[str]:
        """The errors nobody announced, as text."""
        return [
            f"{record.name}: {record.getMessage()} {getattr(record, 'fields', '')}"
            for record in self._records
            if record.getMessage() not in self.expected
        ]

    def missing(self) -> list[str]:
        """What was announced and did not come."""
        seen = {record.getMessage() for record in self._records}
        return [event for event in self.expected if event not in seen]
