"""The schema: its queries and mutations, each with the scope that a key must have for it.

Fields of the two roots can be null, so that one that is refused leaves the others. There are no
subscriptions. Knows no HTTP.
"""

import logging
from uuid import UUID

import strawberry
from graphql import FieldNode, GraphQLError
from strawberry.scalars import JSON
from strawberry.types import ExecutionContext

from errors import TryoutError
from feedback import Entry
from feedback.filters import Filter
from model import InputError, Prediction
from serving.asking import Result
from serving.bodies import without_nulls
from serving.errors import Malformed, Refused, status_of
from serving.graphql.context import MAX_ROWS, Info
from serving.graphql.insights import Insights
from serving.graphql.limits import Limits
from serving.graphql.types import (
    Failed,
    ModelNode,
    PageInfo,
    PredictionConnection,
    PredictionEdge,
    PredictionFilter,
    PredictionNode,
    PredictionResult,
    RatingNode,
    RevisionInput,
    Verdict,
)
from serving.http import validated
from serving.ratings import RatingRequest, id_from, rating_from
from serving.service import API_SESSION

logger = logging.getLogger(f"tryout.{__name__}")

PAGE = 20  # predictions, unless a document says how many


@strawberry.type
class Query:
    @strawberry.field(description="The model. Needs the scope predict.")
    def model(self, info: Info) -> ModelNode | None:
        info.context.require("predict")
        return ModelNode.of(info.context.service)

    @strawberry.field(description="Predictions in the log, newest first. Needs the scope export.")
    async def predictions(
        self,
        info: Info,
        first: int = PAGE,
        after: str | None = None,
        filter: PredictionFilter | None = None,
    ) -> PredictionConnection | None:
        info.context.require("export")
        if not 1 <= first <= MAX_ROWS:
            raise Refused(f"first is {first}; it must be 1 to {MAX_ROWS}.")
        chosen, before = filter.chosen() if filter else Filter(), _id_of(after)
        info.context.take(first)
        entries = await info.context.ask_log(
            lambda log: log.entries(chosen, before=before, limit=first + 1)
        )
        edges = [
            PredictionEdge(
                cursor=str(entry.prediction.id), node=PredictionNode.of(entry, stored=True)
            )
            for entry in entries[:first]
        ]
        page_info = PageInfo(
            has_next_page=len(entries) > first,
            has_previous_page=before is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )
        return PredictionConnection(edges=edges, page_info=page_info)

    @strawberry.field(description="A prediction by its id. Needs the scope export.")
    async def prediction(self, info: Info, id: strawberry.ID) -> PredictionNode | None:
        info.context.require("export")
        info.context.take(1)
        entry, stored = await info.context.service.find(id_from(id))
        return PredictionNode.of(entry, stored=stored)

    @strawberry.field(description="Statistics of the ratings. Needs the scope export.")
    def insights(self, info: Info, revision: RevisionInput | None = None) -> Insights | None:
        info.context.require("export")
        return Insights(of_revision=revision.chosen() if revision else None)


@strawberry.type
class Mutation:
    @strawberry.mutation(
        description="Predicts texts; a text that cannot be predicted fails alone. Needs the scope "
        "predict. With log: false nothing is stored."
    )
    async def predict(
        self, info: Info, texts: list[str], params: JSON | None = None, log: bool = True
    ) -> list[PredictionResult] | None:
        context = info.context
        context.require("predict")
        context.take(len(texts))
        if params is not None and not isinstance(params, dict):
            raise Malformed("params must be an object: the parameters by their names.")
        log = log and context.logs
        try:
            results: list[Result] = await context.service.predict(
                texts, without_nulls(params), log=log
            )
        except InputError as error:
            if len(texts) != 1:
                raise
            results = [error]
        return [_result(result) for result in results]

    @strawberry.mutation(
        description="Stores a reviewer's judgement, in the place of an older one. A correction has "
        "the form of the output. Needs the scope rate."
    )
    async def rate(
        self,
        info: Info,
        prediction_id: strawberry.ID,
        verdict: Verdict,
        reviewer: str,
        correction: JSON | None = None,
        comment: str = "",
    ) -> RatingNode | None:
        info.context.require("rate")
        values = {
            "verdict": verdict.value,
            "reviewer": reviewer,
            "correction": correction,
            "comment": comment,
        }
        asked = validated(RatingRequest, values)
        entry, _ = await info.context.service.find(id_from(prediction_id))
        rating, _ = await info.context.service.rate(rating_from(asked, entry.prediction))
        return RatingNode.of(rating)


class Schema(strawberry.Schema):
    """The schema, which logs the errors that nobody expected, and no texts of others."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Logs the traceback of each error that is neither ours nor GraphQL's own."""
        for error in errors:
            if cause := unexpected(error):
                # Not its path, whose aliases are the client's words.
                fields = [
                    node.name.value for node in error.nodes or () if isinstance(node, FieldNode)
                ]
                logger.error("A field of a document failed: %s", fields, exc_info=cause)


def make_schema() -> Schema:
    """The schema with its limits."""
    return Schema(Query, mutation=Mutation, extensions=[Limits])


def unexpected(error: GraphQLError) -> Exception | None:
    """The cause of an error that nobody expected; None for ours, and for mistakes of a document.

    A value that its type refuses has a cause, too, but no path: nothing was executed.
    """
    cause = error.original_error
    is_mistake = error.path is None and bool(error.nodes)
    return None if isinstance(cause, TryoutError) or is_mistake else cause


def _id_of(after: str | None) -> UUID | None:
    if after is None:
        return None
    try:
        return UUID(after)
    except ValueError as error:
        raise Refused(f"after is {after[:80]!r}; it must be a cursor of an answer.") from error


def _result(result: Result) -> PredictionNode | Failed:
    if isinstance(result, Prediction):
        entry = Entry(prediction=result, source="api", session_id=API_SESSION)
        return PredictionNode.of(entry, stored=False)
    status = status_of(result)
    return Failed(message=str(result), code=status.grpc, status=status.http)
