"""The errors of the feedback log; each message is fit to be shown to a visitor."""

from typing import Any

from errors import InvalidInput, TryoutError, Unavailable


class FeedbackError(TryoutError):
    """The root of the log's errors; also raised for a value that the log refuses."""


class LogUnavailable(FeedbackError, Unavailable):
    """The database cannot be opened, read or written now; the values given are not stored."""


class JobError(FeedbackError, InvalidInput):
    """A job cannot be what was asked of it; the message names the job."""


class JobRunning(FeedbackError, Unavailable):
    """Another process runs the job now."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The job {name!r:.80} is being run by another process. Wait until that has ended, "
            "or end it; what it has stored stays."
        )


class CsvError(FeedbackError, InvalidInput):
    """A CSV file is not an export of this app; the message names the row."""


class RefusedCorrection(FeedbackError, InvalidInput):
    """An answer does not have the form of the prediction that it corrects."""

    def __init__(self, answer: Any, expected: str) -> None:
        super().__init__(
            f"The correction is {str(answer)[:80]!r}; of this prediction it must be "
            f"{expected[:300]}."
        )
