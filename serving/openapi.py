"""The OpenAPI document of the formats, and a page that shows it.

https://spec.openapis.org/oas/v3.1.0. Schemas are those of the pydantic models that read a request.
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from serving.http import JSON, Format, Operation

# Any operation can answer these: a body in time and within limits, a key, a model that is there.
ALWAYS = (401, 403, 429, 500, 503)
WITH_BODY = (400, 408, 413, 415, 504)
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; background: light-dark(#fcfbf9, #15181a); color: light-dark(#1d2529, #e6e8ea) }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem }
section { border-top: 1px solid light-dark(#ddd8cf, #333a3f); padding: .5rem 0 }
h1 { font-size: 1.6rem } h2 { font-size: 1.1rem } h3 { font-size: .9rem; margin: 0 }
code { overflow-wrap: anywhere } a { color: light-dark(#0f6b66, #6cc5bf) }
pre { overflow-x: auto; padding: .75rem; border-radius: 6px; font-size: .8rem;
  background: light-dark(#f1efe9, #1e2326) }
small { color: light-dark(#5c666b, #9aa5ab) }
"""


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


def page(described: Mapping[str, Any]) -> str:
    """The document as an HTML page that needs no script and nothing from another host."""
    info = described["info"]
    operations = [
        _section(method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = "".join(
        f'<details id="{escape(name)}"><summary>{escape(name)}</summary>{_code(schema)}</details>'
        for name, schema in sorted(described["components"]["schemas"].items())
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])}: API</title><style>{STYLE}</style>
<main><h1>{escape(info["title"])}: API</h1>
<p>The same as a file for tools: <a href="/api/openapi.json">/api/openapi.json</a>.</p>
{"".join(operations)}<h2>Schemas</h2>{schemas}</main></html>"""


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    request = operation.get("requestBody", {}).get("content", {})
    answers = ", ".join(operation["responses"])
    return f"""<section><h2><code><b>{method.upper()}</b> {escape(path)}</code></h2>
<p>{escape(operation["summary"])} <small>{escape(operation["tags"][0])}</small></p>
{"".join(f"<h3>Body, {media}</h3>{_code(body['schema'])}" for media, body in request.items())}
<p><small>Answers: {answers}</small></p></section>"""


def _code(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2))}</pre>"
