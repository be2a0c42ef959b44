"""Executes documents, and makes the JSON of their answers. Knows no HTTP."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from graphql import GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError

from errors import TryoutError
from feedback.records import compact_json
from serving.errors import FAILED, Failed, Malformed
from serving.graphql.context import Context
from serving.graphql.route import error_to_json
from serving.graphql.schema import Schema, make_schema, unexpected

__all__ = ["Context", "execute", "schema_text"]

MAX_ERRORS = 20
MAX_ERROR_CHARS = 500


@cache
def _schema() -> Schema:
    return make_schema()


def schema_text() -> str:
    """The schema in GraphQL's own language."""
    return _schema().as_str()


async def execute(
    document: str, variables: Mapping[str, Any] | None, context: Context
) -> tuple[str, bool]:
    """The answer as JSON, and False if the document was refused before a field was executed."""
    try:
        result = await _schema().execute(
            document,
            variable_values=dict(variables or {}),
            context_value=context,
            operation_name=context.operation_name,
        )
    except CannotGetOperationTypeError:
        name = f" {context.operation_name[:80]!r}" if context.operation_name else ""
        missing = Malformed(f"The document has no operation{name}.")
        return compact_json({"errors": [error_to_json(missing)]}), False
    errors = [_error_to_json(error) for error in (result.errors or [])[:MAX_ERRORS]]
    has_run = result.data is not None or any("path" in error for error in errors)
    answer: dict[str, Any] = {"data": result.data} if has_run else {}
    return compact_json(answer | ({"errors": errors} if errors else {})), has_run


def _error_to_json(error: GraphQLError) -> dict[str, Any]:
    """The error with its sentence, place, code and status."""
    if unexpected(error):
        ours: TryoutError = Failed(FAILED)
    elif isinstance(error.original_error, TryoutError):
        ours = error.original_error
    else:
        ours = Malformed(error.message[:MAX_ERROR_CHARS])
    place = {
        name: value for name, value in error.formatted.items() if name in ("locations", "path")
    }
    return error_to_json(ours) | place
