"""Loggers of events with fields: a fixed text for the event, and named values that belong to it."""

import logging
from types import TracebackType

ExcInfo = BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | None


class EventLogger:
    """Logger of events with fields, which `logs.formats` writes as `key=value` or as JSON.

    An event is a fixed text, so that it can be searched for; anything variable is a field. A field
    that is None is left out. `exc_info` is an exception whose traceback is logged with the event.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def log(self, level: int, event: str, /, **fields: object) -> None:
        """Log an event at a level of `logging`."""
        self._logger.log(level, event, extra={"fields": fields})

    def info(self, event: str, /, **fields: object) -> None:
        """Log something that an operator may want to know."""
        self.log(logging.INFO, event, **fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log something that the server copes with but an operator should look at."""
        self.log(logging.WARNING, event, **fields)

    def error(self, event: str, /, *, exc_info: ExcInfo = None, **fields: object) -> None:
        """Log something that an operator has to act on."""
        self._logger.error(event, exc_info=exc_info, extra={"fields": fields})

    def critical(self, event: str, /, *, exc_info: ExcInfo = None, **fields: object) -> None:
        """Log the end of a thread or of the process by an error."""
        self._logger.critical(event, exc_info=exc_info, extra={"fields": fields})


def get_logger(name: str) -> EventLogger:
    """Return the event logger of a module, named by its `__name__`."""
    return EventLogger(logging.getLogger(name))
