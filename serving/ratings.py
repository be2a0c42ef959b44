"""Ratings of requests: the form that they have, and the rules that make a rating of them.

Knows no format and no route.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from feedback import Rating
from feedback.corrections import correction_from
from feedback.records import ANONYMOUS, MAX_NAME_CHARS, MAX_TEXT_CHARS, reviewer_name
from model import Prediction
from model.prediction import new_id, now
from serving.bodies import Body
from serving.errors import NotFound, Refused


class RatingRequest(Body):
    """A reviewer's judgement of a prediction."""

    verdict: Literal["up", "down"]
    reviewer: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    correction: JsonValue = None
    comment: Annotated[str, Field(max_length=MAX_TEXT_CHARS)] = ""


def rating_from(asked: RatingRequest, prediction: Prediction) -> Rating:
    """The rating of a request; raises Refused, or RefusedCorrection."""
    reviewer = reviewer_name(asked.reviewer)
    if not reviewer:
        raise Refused(f"reviewer is {asked.reviewer!r}; it must be a name, not {ANONYMOUS}….")
    if asked.correction is not None and asked.verdict == "up":
        raise Refused("A correction goes with the verdict 'down'.")
    return Rating(
        id=new_id(),
        prediction_id=prediction.id,
        created_at=now(),
        reviewer=reviewer,
        verdict=asked.verdict,
        correction=correction_from(prediction, asked.correction),
        comment=asked.comment.strip(),
    )


def id_from(given: str) -> UUID:
    """The id of a prediction; raises NotFound for a text that cannot be one."""
    try:
        return UUID(given)
    except ValueError as error:
        raise NotFound(f"There is no prediction {given[:80]!r} in the log.") from error
