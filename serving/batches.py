"""Batches over HTTP: the jobs in the log, their stored predictions by key, their ages and drift.

Nothing is predicted here, and no route needs the model: without it nothing is said to be stale.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from feedback import FeedbackLog, any_batch, batch_results
from feedback.any_batch import AnyBatch, Figures
from feedback.batches import problems
from feedback.jobs import jobs, results, totals
from feedback.jobs.drift import drift, drift_to_json
from feedback.jobs.records import Job, StoredPrediction
from feedback.records import ModelRevision
from serving.bodies import Body, ErrorBody
from serving.errors import NotFound
from serving.formats.native import PredictionBody, prediction_to_json
from serving.http import JSON, Format, Handler, Operation, json_response, parsed, validated
from serving.service import Service

PATH = "/api/batches"
BATCH = PATH + "/{name}"
MAX_KEYS = 1000
MAX_PAGE = 100
PAGE = 20
CSV = {"text/csv": {"type": "string"}}
PAGING = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
    "offset": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
}


class PageOfBatches(BaseModel):
    """The parameters of the list: batches a page, and the number of those before the page."""

    model_config = ConfigDict(extra="ignore")

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = PAGE
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class KeysRequest(Body):
    """Keys whose stored predictions are wanted."""

    keys: Annotated[list[str], Field(min_length=1, max_length=MAX_KEYS, fail_fast=True)]


class BatchBody(Body):
    """The figures of a batch.

    `stored` counts the newest prediction of each row; of those, `stale` are by another revision
    than the live model's. Both that and `stale_share` are null while there is no model. The
    predictions were made from the day `made_from` to `made_until`, in UTC, and the oldest of them
    is `age_days` old.
    """

    id: str
    name: str
    kind: str
    source: str
    state: str
    rows: int
    stored: int
    rejects: int
    stale: int | None
    stale_share: float | None
    made_from: str | None
    made_until: str | None
    age_days: int | None
    created_at: str
    updated_at: str


class DriftBody(Body):
    """The differences from the batch before: the largest effect, all effects, sentences."""

    before: str
    effect: float
    measures: dict[str, dict[str, JsonValue]]
    sentences: list[str]


class DetailedBatchBody(BatchBody):
    """A batch with its drift, which is null if there is no batch before of the same source."""

    drift: DriftBody | None


class BatchesBody(Body):
    """Jobs, newest first; `next` is the path of the page that follows, null on the last page."""

    batches: list[BatchBody]
    next: str | None


class StoredBody(Body):
    """The newest stored prediction of a key.

    `version` counts the predictions of the key, `age_s` is its age in seconds, and `stale` is true
    if the live model is of another revision, null while there is no model.
    """

    key: str
    version: int
    age_s: float
    stale: bool | None
    prediction: PredictionBody


class StoredBodies(Body):
    """The predictions of several keys in their order, and the keys that the batch has not."""

    predictions: list[StoredBody]
    missing: list[str]


def batches(service: Service, *, closed: bool) -> Format:
    """The routes; with `closed` they need a key that may export even if there are no keys."""
    reading = _Reading(service)

    def operation(
        method: str, path: str, handler: Handler, summary: str, body: Any, **more: Any
    ) -> Operation:
        return Operation(
            method=method,
            path=path,
            handler=handler,
            summary=summary,
            scope="export",  # whoever may read all of the log
            closed=closed,
            responses=body if isinstance(body, dict) else {JSON: body},
            **{"statuses": (404,)} | more,
        )

    return Format(
        name="batches",
        error=lambda error: {"error": str(error)},
        error_schema=ErrorBody,
        operations=(
            operation(
                "GET",
                PATH,
                reading.list,
                "Jobs, newest first",
                BatchesBody,
                query=PAGING,
                statuses=(400,),
            ),
            operation("GET", BATCH, reading.batch, "A batch by its name or id", DetailedBatchBody),
            operation(
                "GET", BATCH + "/predictions.csv", reading.csv, "The predictions as a file", CSV
            ),
            operation(
                "GET", BATCH + "/rejects.csv", reading.rejects, "Rows without a prediction", CSV
            ),
            operation(
                "POST",
                BATCH + "/predictions",
                reading.several,
                "Stored predictions by their keys",
                StoredBodies,
                request=KeysRequest,
            ),
            operation(
                "GET",
                BATCH + "/predictions/{key:path}",
                reading.by_key,
                "The stored prediction of a key",
                StoredBody,
            ),
        ),
    )


class _Reading:
    """The handlers. The log is asked in the threads of the service, a file is read in pieces."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def _live(self) -> ModelRevision | None:
        predictor = self._service.loaded
        return ModelRevision(predictor.info.id, predictor.info.revision) if predictor else None

    async def list(self, request: Request, body: bytes) -> Response:
        page, live = validated(PageOfBatches, dict(request.query_params)), self._live

        def read(log: FeedbackLog) -> tuple[list[Figures], bool]:
            newest = jobs.newest(log, limit=page.limit + 1, offset=page.offset)
            shown = newest[: page.limit]
            return [any_batch.figures(log, job, live) for job in shown], len(newest) > len(shown)

        figures, there_are_more = await self._service.ask_log(read)
        following = f"{PATH}?offset={page.offset + page.limit}&limit={page.limit}"
        return json_response(
            {
                "batches": [figures_to_json(each) for each in figures],
                "next": following if there_are_more else None,
            }
        )

    async def batch(self, request: Request, body: bytes) -> Response:
        live = self._live

        def read(log: FeedbackLog) -> dict[str, Any]:
            batch = _named(log, request)
            figures = figures_to_json(any_batch.figures(log, batch, live))
            return figures | {"drift": _drift_to_json(log, batch)}

        return json_response(await self._service.ask_log(read))

    async def by_key(self, request: Request, body: bytes) -> Response:
        key, live = request.path_params["key"], self._live

        def read(log: FeedbackLog) -> StoredPrediction:
            batch = _named(log, request)
            if stored := any_batch.by_keys(log, batch, [key]).get(key):
                return stored
            raise NotFound(
                f"The batch {batch.name!r:.80} has no prediction of the key {key!r:.80}."
            )

        return json_response(_stored_to_json(await self._service.ask_log(read), live))

    async def several(self, request: Request, body: bytes) -> Response:
        asked, live = await parsed(KeysRequest, request, body), self._live
        keys = list(dict.fromkeys(asked.keys))
        stored = await self._service.ask_log(
            lambda log: any_batch.by_keys(log, _named(log, request), keys)
        )
        return json_response(
            {
                "predictions": [
                    _stored_to_json(stored[key], live) for key in keys if key in stored
                ],
                "missing": [key for key in keys if key not in stored],
            }
        )

    async def csv(self, request: Request, body: bytes) -> Response:
        return await self._file(request, "predictions", results_of)

    async def rejects(self, request: Request, body: bytes) -> Response:
        return await self._file(request, "rejects", rejects_of)

    async def _file(
        self,
        request: Request,
        content: str,
        pieces_of: Callable[[FeedbackLog, AnyBatch], Iterator[bytes]],
    ) -> Response:
        """The file as a stream; its first piece is read before the status is sent."""

        def begin(log: FeedbackLog) -> tuple[bytes, Iterator[bytes]]:
            pieces = pieces_of(log, _named(log, request))
            return next(pieces, b""), pieces

        first, pieces = await self._service.ask_log(begin)
        headers = {"Content-Disposition": f'attachment; filename="{content}.csv"'}
        return StreamingResponse(chain([first], pieces), headers=headers, media_type="text/csv")


def results_of(log: FeedbackLog, batch: AnyBatch) -> Iterator[bytes]:
    """The results of a batch as CSV."""
    if isinstance(batch, Job):
        return results.results_csv(log, batch)
    return batch_results.results_csv(log, batch)


def rejects_of(log: FeedbackLog, batch: AnyBatch) -> Iterator[bytes]:
    """The rows of a batch that have no prediction, as CSV."""
    if isinstance(batch, Job):
        return results.rejects_csv(log, batch)
    return iter([batch_results.problems_csv(problems(log, batch), batch.text_column)])


def figures_to_json(figures: Figures) -> dict[str, Any]:
    """The figures as a `BatchBody`."""
    oldest, newest = figures.oldest, figures.newest
    return {
        "id": str(figures.id),
        "name": figures.name,
        "kind": figures.kind,
        "source": figures.source,
        "state": figures.state,
        "rows": figures.rows,
        "stored": figures.stored,
        "rejects": figures.rejects,
        "stale": figures.stale,
        "stale_share": figures.stale_share,
        "made_from": oldest.isoformat() if oldest else None,
        "made_until": newest.isoformat() if newest else None,
        "age_days": (datetime.now(UTC).date() - oldest).days if oldest else None,
        "created_at": figures.created_at.isoformat(),
        "updated_at": figures.updated_at.isoformat(),
    }


def _stored_to_json(stored: StoredPrediction, live: ModelRevision | None) -> dict[str, Any]:
    prediction = stored.entry.prediction
    made_by = ModelRevision(prediction.model_id, prediction.model_revision)
    age = datetime.now(UTC) - prediction.created_at
    return {
        "key": stored.key,
        "version": stored.version,
        "age_s": max(0.0, age.total_seconds()),
        "stale": made_by != live if live else None,
        "prediction": prediction_to_json(prediction, stored=True),
    }


def _drift_to_json(log: FeedbackLog, batch: AnyBatch) -> dict[str, Any] | None:
    """The drift from the job before; None if there is none, and of a page's batch."""
    if not isinstance(batch, Job) or (before := jobs.previous(log, batch)) is None:
        return None
    differences = drift(totals.distribution(log, before), totals.distribution(log, batch))
    return {"before": before.name} | drift_to_json(differences)


def _named(log: FeedbackLog, request: Request) -> AnyBatch:
    """The batch that the path names; raises NotFound."""
    name = request.path_params["name"]
    if batch := any_batch.find(log, name):
        return batch
    raise NotFound(f"There is no batch {name!r:.80} in the log.")
