"""The OpenAPI document of the formats.

https://spec.openapis.org/oas/v3.1.0. Schemas are those of the pydantic models that read a request.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from serving.http import JSON, Format, Operation

# Any operation can answer these: a body in time and within limits, a key, a model that is there.
ALWAYS = (401, 403, 429, 500, 503)
WITH_BODY = (400, 408, 413, 415, 504)


def document(formats: Iterable[Format], *, title: str, version: str) -> dict[str, Any]:
    """The document as a value that JSON can hold; of the same operation twice, the first counts."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for wire in formats:
        for operation in wire.operations:
            path = operation.path.replace(":path}", "}")
            described = _operation(wire, operation, schemas)
            paths.setdefault(path, {}).setdefault(operation.method.lower(), described)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(wire: Format, operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [wire.name],
        "summary": operation.summary,
        "operationId": f"{wire.name}-{operation.method.lower()}-{operation.path.strip('/')}",
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
            }
            for name in _path_params(operation.path)
        ]
        + [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in operation.query.items()
        ],
        "responses": {
            str(status): {
                "description": HTTPStatus(status).phrase,
                "content": {
                    media: {"schema": _schema(wire, kind, schemas)}
                    for media, kind in operation.responses.items()
                },
            }
            for status in operation.answers
        },
    }
    requests = {JSON: operation.request} if operation.request else {}
    requests |= operation.other_requests
    if requests:
        described["requestBody"] = {
            "required": True,
            "content": {
                media: {"schema": _schema(wire, kind, schemas)} for media, kind in requests.items()
            },
        }
    statuses = {*ALWAYS, *operation.statuses, *(WITH_BODY if requests else ())}
    for status in sorted(statuses):
        described["responses"][str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {JSON: {"schema": _schema(wire, wire.error_schema, schemas)}},
        }
    return described


def _path_params(path: str) -> list[str]:
    return [part[1:].split("}")[0].split(":")[0] for part in path.split("/") if part[:1] == "{"]


def _schema(wire: Format, kind: Any, schemas: dict[str, Any]) -> Mapping[str, Any]:
    """The schema of a type, its definitions moved into `schemas`; a mapping is one already."""
    if isinstance(kind, Mapping):
        return kind
    prefix = f"{wire.name}."
    schema = TypeAdapter(kind).json_schema(ref_template=f"#/components/schemas/{prefix}{{model}}")
    schemas.update({prefix + name: part for name, part in schema.pop("$defs", {}).items()})
    return schema
