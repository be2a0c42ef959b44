"""The page /api/docs: the OpenAPI document for readers.

Needs no script and nothing from another host. Knows no format, only the document.
"""

import json
from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby
from typing import Any

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; background: light-dark(#fcfbf9, #15181a); color: light-dark(#1d2529, #e6e8ea) }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.2rem; margin: 2.5rem 0 0 }
section { padding: .75rem 0; margin-top: .75rem;
  border-top: 1px solid light-dark(#ddd8cf, #333a3f) }
h3 { font-size: 1rem; margin: 0 } p { margin: .25rem 0 } nav { margin: 1rem 0 }
code { overflow-wrap: anywhere } a { color: light-dark(#0f6b66, #6cc5bf) }
h3 b { color: light-dark(#0f6b66, #6cc5bf) }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-size: .9rem }
td { padding: .25rem .75rem .25rem 0; vertical-align: top }
td:first-child { white-space: nowrap; width: 30% } summary { cursor: pointer; font-size: .85rem }
pre { overflow-x: auto; padding: .75rem; border-radius: 6px; font-size: .8rem;
  background: light-dark(#f1efe9, #1e2326) }
small, summary { color: light-dark(#5c666b, #9aa5ab) }
"""


def page(described: Mapping[str, Any]) -> str:
    """The document as HTML: a heading a format, a section an operation."""
    title = escape(described["info"]["title"])
    schemas = described["components"]["schemas"]
    operations = [
        (operation["tags"][0], method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    groups = [(tag, list(group)) for tag, group in groupby(operations, key=lambda each: each[0])]
    links = " · ".join(f'<a href="#{tag}">{tag}</a>' for tag in dict(groups))
    body = "".join(
        f'<h2 id="{tag}">{tag}</h2>'
        + "".join(_section(method, path, operation) for _, method, path, operation in group)
        for tag, group in groups
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API</title><style>{STYLE}</style>
<main><h1>{title}: API</h1><nav>{links}</nav>
<p>For tools: <a href="/api/openapi.json">/api/openapi.json</a>. If the owner made keys, send
<code>Authorization: Bearer</code> and yours.</p>{body}
<h2>Schemas</h2>{"".join(_schema(name, schemas[name]) for name in sorted(schemas))}</main></html>"""


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    request = operation.get("requestBody", {}).get("content", {})
    bodies = "".join(_body(media, body["schema"]) for media, body in request.items())
    answers = ", ".join(operation["responses"])
    return f"""<section><h3><code><b>{method.upper()}</b> {escape(path)}</code></h3>
<p>{escape(operation["summary"])}. <small>Answers {answers}.</small></p>{bodies}</section>"""


def _body(media: str, schema: Mapping[str, Any]) -> str:
    return f"""{_fields(schema)}
<details><summary>Schema of the body, {escape(media)}</summary>{_code(schema)}</details>"""


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    anchor = escape(name)
    return f'<details id="{anchor}"><summary>{anchor}</summary>{_code(schema)}</details>'


def _fields(schema: Mapping[str, Any]) -> str:
    """The fields of an object as a table; "" for another kind of body."""
    required = schema.get("required", ())
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{_in_words(field)}"
        f"{'' if name in required else ' <small>optional</small>'}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _in_words(schema: Mapping[str, Any]) -> str:
    """The type of a value, as HTML."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return f'<a href="#{escape(name)}">{escape(name.rsplit(".", 1)[-1])}</a>'
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _alternatives(_in_words(each) for each in schema[key])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _alternatives(f"<code>{escape(json.dumps(value))}</code>" for value in values)
    if schema.get("type") == "array":
        return f"list of {_in_words(schema.get('items', {}))}"
    return escape(str(schema.get("type", "any value")))


def _alternatives(words: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(words))


def _code(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2))}</pre>"
