"""What can go wrong with the feedback log; every message is one a visitor may read."""


class FeedbackError(Exception):
    """Something about the log; the message says what, with which value, and the remedy."""


class LogUnavailable(FeedbackError):
    """The database cannot be opened, read or written now; what was sent is not stored."""


class CsvError(FeedbackError):
    """A CSV file is not one that this app exported; the message names the row."""
