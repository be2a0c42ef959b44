"""The log as files below /api/export, streamed: in bounded memory however long it is."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from feedback import FeedbackLog, export_csv
from feedback.preferences import preferences_csv
from feedback.rated_set import rated_jsonl, training_csv

EXPORTS: dict[str, Callable[[FeedbackLog], Iterator[bytes]]] = {
    "ratings.csv": partial(export_csv, unrated=False),
    "predictions.csv": partial(export_csv, unrated=True),
    "rated.csv": training_csv,
    "rated.jsonl": rated_jsonl,
    "preferences.csv": preferences_csv,
}


async def exported(log: Callable[[], FeedbackLog], name: str, _request: Request) -> Response:
    """The file `name` of EXPORTS; 503 with a sentence if the log cannot be read."""
    pieces = _pieces(log, name)
    try:
        first = await run_in_threadpool(next, pieces, b"")
    except Exception as error:  # noqa: BLE001 - a client wants a sentence, whatever it is
        return JSONResponse({"error": str(error)}, 503)
    return StreamingResponse(
        chain([first], pieces),
        media_type="text/csv" if name.endswith("csv") else "application/jsonl",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _pieces(log: Callable[[], FeedbackLog], name: str) -> Iterator[bytes]:
    """The file piece by piece; opens the log with the first one, in the thread that asks."""
    yield from EXPORTS[name](log())
