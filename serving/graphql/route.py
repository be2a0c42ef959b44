"""/graphql: documents by POST, the schema's text by GET (https://graphql.github.io/graphql-over-http).

Knows neither the schema nor the packages that it needs: both are loaded by the first request.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, JsonValue
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from errors import TryoutError
from serving.bodies import Body
from serving.errors import MethodNotAllowed, NotInstalled, status_of
from serving.http import JSON, Format, Operation, parsed
from serving.service import Service, wants_log

PATH = "/graphql"
GRAPHQL_JSON = "application/graphql-response+json"
MAX_DOCUMENT_CHARS = 100_000
T = TypeVar("T")


class GraphQLRequest(Body):
    """A document, the values of its variables, and the name of the operation to run.

    `extensions` change nothing.
    """

    query: Annotated[str, Field(min_length=1, max_length=MAX_DOCUMENT_CHARS)]
    variables: dict[str, JsonValue] | None = None
    operationName: str | None = None
    extensions: dict[str, JsonValue] | None = None


class CodeBody(BaseModel):
    """The name of a gRPC code, and the HTTP status that the error would have alone."""

    code: str
    status: int


class FaultBody(BaseModel):
    message: str
    locations: list[dict[str, int]] = []
    path: list[str | int] = []
    extensions: CodeBody


class ErrorsBody(BaseModel):
    errors: list[FaultBody]


class AnswerBody(BaseModel):
    data: dict[str, JsonValue] | None = None
    errors: list[FaultBody] = []


class Engine:
    """A thread with an event loop in which documents are executed.

    A document of many fields computes for a tenth of a second, and the packages take a whole one to
    import; the loop of the server has other requests to answer meanwhile.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which is cancelled with its caller; the first call starts."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="graphql", daemon=True).start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def graphql(service: Service, *, closes_log: bool, random_share: float) -> Format:
    """The routes as a format, with their operations on `service`.

    With `closes_log` what reads the log needs a key that may export. `random_share` is the share
    of predictions that the review queue draws by chance.
    """
    engine = Engine()

    async def execute(request: Request, body: bytes) -> Response:
        asked = await parsed(GraphQLRequest, request, body)

        async def work() -> tuple[str, bool]:
            execution = _execution()
            context = execution.Context(
                service=service,
                caller=request.state.caller,
                closes_log=closes_log,
                random_share=random_share,
                logs=wants_log(request.headers),
                operation_name=asked.operationName,
            )
            answer: tuple[str, bool] = await execution.execute(
                asked.query, asked.variables, context
            )
            return answer

        content, has_run = await engine.run(work())
        # A client that knows this type reads a status as in any other format; others expect 200.
        if GRAPHQL_JSON in request.headers.get("accept", ""):
            return Response(content, 200 if has_run else 400, media_type=GRAPHQL_JSON)
        return Response(content, media_type=JSON)

    async def describe(request: Request, body: bytes) -> Response:
        if "query" in request.query_params:  # URLs are in the logs of proxies
            raise MethodNotAllowed("GET", f"{PATH}?query=…", ("POST",))

        async def work() -> str:
            text: str = _execution().schema_text()
            return text

        return PlainTextResponse(await engine.run(work()))

    return Format(
        name="graphql",
        error=lambda error: {"errors": [error_to_json(error)]},
        error_schema=ErrorsBody,
        slash=True,
        operations=(
            Operation(
                method="POST",
                path=PATH,
                handler=execute,
                summary="Execute a GraphQL document",
                scope="any",  # each field asks for its own
                request=GraphQLRequest,
                responses={JSON: AnswerBody, GRAPHQL_JSON: AnswerBody},
                statuses=(501,),
            ),
            Operation(
                method="GET",
                path=PATH,
                handler=describe,
                summary="The schema in GraphQL's own language",
                scope=None,
                responses={"text/plain": str},
                statuses=(405, 501),
            ),
        ),
    )


def error_to_json(error: TryoutError) -> dict[str, Any]:
    """An error as a GraphQL answer lists it, without its place in the document."""
    status = status_of(error)
    return {
        "message": str(error),
        "extensions": {"code": status.grpc, "status": status.http},
    }


def _execution() -> Any:
    """The module that executes; raises NotInstalled without its packages."""
    try:
        from serving.graphql import execution
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("strawberry", "graphql"):
            raise
        raise NotInstalled(
            "GraphQL's packages are not installed here. The owner can install them: "
            "pip install -r requirements-graphql.txt."
        ) from error
    return execution
