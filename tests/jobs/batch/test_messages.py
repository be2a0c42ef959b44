"""Log messages of a command."""

import io
import logging

from jobs.batch.messages import UNEXPECTED, one_line_each


def logged(name: str, *messages: str) -> str:
    """The output for an error with a cause of two lines, logged once for each message."""
    handler, out = one_line_each(), io.StringIO()
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(out)
    logger = logging.Logger(name)
    logger.addHandler(handler)
    for message in messages:
        try:
            raise OSError("refused\nand more")
        except OSError:
            logger.exception(message)
    return out.getvalue()


def test_an_error_is_a_line_with_its_reason_and_not_said_again() -> None:
    assert logged("tryout.feedback", "away", "lost", "away") == "away: refused\nlost: refused\n"


def test_an_error_that_nobody_foresaw_has_its_traceback() -> None:
    assert "Traceback" in logged(UNEXPECTED, "The job failed")
