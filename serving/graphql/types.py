"""The types of predictions, ratings and the model. Knows neither questions nor HTTP."""

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from feedback import Entry, Rating
from feedback.filters import Filter
from feedback.records import ModelRevision
from model.prediction import output_to_json
from serving.errors import Refused
from serving.graphql.context import MAX_ROWS, Info
from serving.service import Service

MAX_FILTER_CHARS = 1000


@strawberry.enum(description="A reviewer's judgement of a prediction.")
class Verdict(Enum):
    up = "up"
    down = "down"


@strawberry.enum(description="A judgement to look for.")
class Judged(Enum):
    up = "up"
    down = "down"
    unrated = "unrated"


@strawberry.type(name="Rating", description="A reviewer's newest judgement of a prediction.")
class RatingNode:
    id: strawberry.ID
    prediction_id: strawberry.ID
    created_at: datetime
    reviewer: str
    verdict: Verdict
    correction: str = strawberry.field(description="As the CSV export has it; empty for none.")
    comment: str
    blind: bool = strawberry.field(description="True if it was given before the output was seen.")

    @classmethod
    def of(cls, rating: Rating) -> Self:
        return cls(
            id=strawberry.ID(str(rating.id)),
            prediction_id=strawberry.ID(str(rating.prediction_id)),
            created_at=rating.created_at,
            reviewer=rating.reviewer,
            verdict=Verdict(rating.verdict),
            correction=rating.correction,
            comment=rating.comment,
            blind=rating.blind,
        )


@strawberry.type(name="Prediction", description="An output for an input, and its origin.")
class PredictionNode:
    id: strawberry.ID
    created_at: datetime
    source: str = strawberry.field(description="page, batch, compare, api or job.")
    task: str
    model_id: str
    model_revision: str
    runtime: str
    params: JSON
    input: str
    output: JSON = strawberry.field(description="The whole output: labels, spans or a text.")
    label: str
    score: float | None
    margin: float | None
    truncated: bool
    queue_ms: float
    inference_ms: float
    read: str | None = strawberry.field(
        description="The text that the model read in place of the input; null if it read that."
    )
    spans_of: str = strawberry.field(
        description="The text whose characters spans count: input or read."
    )
    stored: bool = strawberry.field(description="True once it is in the feedback log.")

    @classmethod
    def of(cls, entry: Entry, *, stored: bool) -> Self:
        prediction = entry.prediction
        return cls(
            id=strawberry.ID(str(prediction.id)),
            created_at=prediction.created_at,
            source=entry.source,
            task=prediction.task,
            model_id=prediction.model_id,
            model_revision=prediction.model_revision,
            runtime=prediction.runtime,
            params=JSON(dict(prediction.params)),
            input=prediction.input,
            output=JSON(output_to_json(prediction.output)),
            label=prediction.label,
            score=prediction.score,
            margin=prediction.margin,
            truncated=prediction.truncated,
            queue_ms=prediction.queue_ms,
            inference_ms=prediction.inference_ms,
            read=prediction.read,
            spans_of=prediction.spans_of,
            stored=stored,
        )

    @strawberry.field(description="The ratings that count, oldest first. Needs the scope export.")
    async def ratings(self, info: Info) -> list[RatingNode] | None:
        rated = await info.context.ratings_of(UUID(self.id))
        return [RatingNode.of(rating) for rating in rated]


@strawberry.type(description="A text that got no prediction.")
class Failed:
    message: str
    code: str = strawberry.field(description="The name of a gRPC code.")
    status: int = strawberry.field(description="The HTTP status that the text would have alone.")


PredictionResult = Annotated[
    PredictionNode | Failed, strawberry.union("PredictionResult", description="Of one text.")
]


@strawberry.type
class PredictionEdge:
    cursor: str
    node: PredictionNode


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="Predictions, newest first; those stored meanwhile move none.")
class PredictionConnection:
    edges: list[PredictionEdge]
    page_info: PageInfo


@strawberry.input(description="A model as the log names it.")
class RevisionInput:
    model_id: str
    model_revision: str

    def chosen(self) -> ModelRevision:
        return ModelRevision(
            _short("modelId", self.model_id), _short("modelRevision", self.model_revision)
        )


@strawberry.input(description="A choice of predictions; a field that is left out leaves all.")
class PredictionFilter:
    verdict: Judged | None = None
    label: str | None = strawberry.field(default=None, description="The label of the output.")
    text: str | None = strawberry.field(default=None, description="A part of the input.")
    truth: str | None = strawberry.field(
        default=None, description="The label that is right by a rating."
    )
    tenth: int | None = strawberry.field(
        default=None, description="The tenth that the score is in, 0 to 9."
    )
    day: date | None = strawberry.field(default=None, description="The day of a rating, in UTC.")
    blind: bool | None = strawberry.field(
        default=None, description="Rated before the output was seen, or after."
    )
    disputed: bool = strawberry.field(default=False, description="Rated both up and down.")
    rated: bool = False
    revision: RevisionInput | None = None

    def chosen(self) -> Filter:
        """The choice as the log takes it; raises Refused."""
        if self.tenth is not None and not 0 <= self.tenth <= 9:
            raise Refused(f"tenth is {self.tenth}; it must be 0 to 9.")
        return Filter(
            verdict=self.verdict.value if self.verdict else "",
            label=_short("label", self.label),
            text=_short("text", self.text),
            truth=_short("truth", self.truth),
            tenth=self.tenth,
            day=self.day,
            blind=self.blind,
            disputed=self.disputed,
            rated=self.rated,
            revision=self.revision.chosen() if self.revision else None,
        )


def _short(name: str, value: str | None) -> str:
    if value and len(value) > MAX_FILTER_CHARS:
        raise Refused(f"{name} has {len(value):,} characters; the limit is {MAX_FILTER_CHARS:,}.")
    return value or ""


@strawberry.type(description="A parameter of a prediction.")
class Param:
    name: str
    title: str
    default: JSON
    minimum: float
    maximum: float
    choices: list[str]
    hint: str


@strawberry.type(description="The most that a request may ask for.")
class RequestLimits:
    max_chars: int = strawberry.field(description="Of a text.")
    max_predictions: int = strawberry.field(description="That a document may read or make.")


@strawberry.type(name="Model", description="The facts of the model.")
class ModelNode:
    name: str = strawberry.field(description="Its name for clients.")
    id: str
    revision: str
    title: str
    task: str
    labels: list[str]
    generates: bool = strawberry.field(description="True if the output is a text that grows.")
    params: list[Param]
    parameters: float = strawberry.field(description="The number of its weights.")
    max_tokens: int | None = strawberry.field(description="Of a text; null without a limit.")
    runtime: str
    device: str
    dtype: str
    limits: RequestLimits

    @classmethod
    def of(cls, service: Service) -> Self:
        """The facts; raises NotReady."""
        predictor = service.predictor
        info = predictor.info
        params = [
            Param(
                name=param.name,
                title=param.title,
                default=JSON(param.default),
                minimum=param.minimum,
                maximum=param.maximum,
                choices=list(param.choices),
                hint=param.hint,
            )
            for param in info.params
        ]
        return cls(
            name=service.name_of(info.id),
            id=info.id,
            revision=info.revision,
            title=info.title,
            task=info.task,
            labels=list(info.labels),
            generates=predictor.generates,
            params=params,
            parameters=info.parameters,
            max_tokens=info.max_tokens,
            runtime=info.runtime,
            device=info.device,
            dtype=info.dtype,
            limits=RequestLimits(
                max_chars=service.limits.max_chars,
                max_predictions=min(MAX_ROWS, service.limits.max_texts),
            ),
        )
