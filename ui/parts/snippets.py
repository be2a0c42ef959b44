"""Code that asks this model for a text as a page shows it: curl and Python, for each format.

Knows neither Streamlit nor the service: tests run each snippet against one. A further format is a
function from a `Call` to a `Snippet`, and a line in `FORMATS`.
"""

import json
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote

from model import InputError, ModelInfo
from model.params import checked_value, frozen
from model.prediction import TASK_NAMES
from model.tokenizer import LONE_SURROGATES
from ui.parts.quoting import as_json, as_python

MAX_ARGUMENT_BYTES = 100_000  # Linux takes 131,072 in an argument of a command
END = "JSON"  # ends a body that is on standard input; no line of the body is this word
KEY = 'os.environ["TRYOUT_KEY"]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A text for the model, and the service at `address`, which calls it `name`.

    `params` are those of the request. The text is a message if `is_chat`, and the JSON of several
    if `is_conversation`. With `needs_key` the request has the key that is in TRYOUT_KEY.
    """

    address: str
    name: str
    task: str
    text: str
    params: Mapping[str, Any]
    is_chat: bool
    is_conversation: bool
    needs_key: bool


@dataclass(frozen=True, slots=True)
class Snippet:
    """The same request twice: for a shell, and for Python."""

    curl: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format by its name, with a sentence on its clients, and its tasks.

    Without `package` the routes of this process answer that it is not installed.
    """

    name: str
    about: str
    snippet: Callable[[Call], Snippet]
    tasks: Collection[str] = TASK_NAMES
    package: str = ""


def formats_for(task: str) -> list[Format]:
    """The formats in which the routes of this process answer for a model of this task.

    Packages are looked for and not imported.
    """
    return [
        each
        for each in FORMATS
        if task in each.tasks and (not each.package or find_spec(each.package))
    ]


def call_of(
    info: ModelInfo,
    text: str,
    params: Mapping[str, Any],
    *,
    address: str,
    name: str,
    needs_key: bool,
) -> Call:
    """The call for a text with these parameters.

    Its parameters are those that differ from the model's defaults, and the essential ones. The text
    and `params` may come from a prediction of another model; a value that this one does not take is
    left out.
    """
    values = {param.name: param.default for param in info.params}
    for param in info.params:
        try:
            values[param.name] = checked_value(param, params.get(param.name, param.default))
        except InputError:
            continue
    is_chat = values.get("chat") is True
    return Call(
        address=address.rstrip("/"),
        name=name or info.name,
        task=info.task,
        text=text.translate(LONE_SURROGATES),  # which no JSON in UTF-8 can hold
        params={
            param.name: _as_sent(values[param.name])
            for param in info.params
            if param.essential or frozen(values[param.name]) != param.default
        },
        is_chat=is_chat,
        is_conversation=is_chat and values.get("messages") is True,
        needs_key=needs_key,
    )


def _as_sent(value: Any) -> Any:
    """A value of a parameter as JSON has it."""
    if isinstance(value, tuple | list):
        return [item.translate(LONE_SURROGATES) for item in value]
    return value.translate(LONE_SURROGATES) if isinstance(value, str) else value


def address_of(url: str, *, page: str, base_path: str) -> str:
    """The address of the routes, if a browser has `page` at `url`; "" is the first page.

    `base_path` is Streamlit's server.baseUrlPath, below which it has pages and not routes.
    """
    root = (
        url.split("?")[0].split("#")[0].removesuffix("/").removesuffix(f"/{page}" if page else "")
    )
    below = base_path.strip("/")
    return root.rstrip("/").removesuffix(f"/{below}" if below else "")


# --- requests -------------------------------------------------------------------------------------


def _post(
    call: Call, path: str, body: Mapping[str, Any], *, read: str, show: str, note: str = ""
) -> Snippet:
    """A POST of JSON; `read` is Python that reads the response `answer`, `show` prints of it."""
    return Snippet(curl=_curl(call, path, body), python=_python(call, path, body, read, show, note))


def _curl(call: Call, path: str, body: Mapping[str, Any]) -> str:
    fields = [f'"{name}": {as_json(value)}' for name, value in body.items()]
    data = f"{{{fields[0]}}}" if len(fields) == 1 else "{\n  " + ",\n  ".join(fields) + "\n}"
    is_long = len(data.encode()) > MAX_ARGUMENT_BYTES
    parts = [
        f"curl {shlex.quote(call.address + path)}",
        "-H 'Content-Type: application/json'",
        *(['-H "Authorization: Bearer $TRYOUT_KEY"'] if call.needs_key else []),
        f"-d @- <<'{END}'\n{data}\n{END}" if is_long else f"-d {shlex.quote(data)}",
    ]
    return " \\\n  ".join(parts)


def _python(call: Call, path: str, body: Mapping[str, Any], read: str, show: str, note: str) -> str:
    lines = [
        "import json",
        *(["import os"] if call.needs_key else []),
        "from urllib.request import Request, urlopen",
        "",
        *([f"# {note}"] if note else []),
        "body = {",
        *(f'    "{name}": {as_python(value)},' for name, value in body.items()),
        "}",
        f"url = {as_python(call.address + path)}",
        "request = Request(url, json.dumps(body).encode())",
        'request.add_header("Content-Type", "application/json")',
        *([f'request.add_header("Authorization", "Bearer " + {KEY})'] if call.needs_key else []),
        "with urlopen(request, timeout=60) as answer:",
        f"    {read}",
        show,
    ]
    return "\n".join(lines)


def _printed(call: Call, row: str, output: str) -> str:
    """Python that prints the prediction in the variable `row`, its whole output being `output`."""
    match call.task:
        case "token-classification":
            return f'for span in {output}["spans"]:\n    print(span)'
        case "text-generation":
            return f'print({output}["text"])'
        case _:
            return f'print({row}["label"], {row}["score"])'


def _with_params(call: Call, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the parameters under `name`, if there are any."""
    return {**body, name: call.params} if call.params else dict(body)


def _native(call: Call) -> Snippet:
    return _post(
        call,
        "/api/predictions",
        _with_params(call, "params", {"texts": [call.text]}),
        read='(prediction,) = json.load(answer)["predictions"]',
        show=_printed(call, "prediction", 'prediction["output"]'),
    )


def _open_inference(call: Call) -> Snippet:
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [call.text]}
    return _post(
        call,
        f"/v2/models/{quote(call.name, safe='')}/infer",
        _with_params(call, "parameters", {"inputs": [tensor]}),
        read='tensors = {each["name"]: each["data"][0] for each in json.load(answer)["outputs"]}',
        show=_printed(call, "tensors", 'json.loads(tensors["output"])'),
    )


def _rows(call: Call) -> Snippet:
    path = f"/v1/models/{quote(call.name, safe='')}:predict"
    read = '(row,) = json.load(answer)["predictions"]'
    return _by_row(call, path, "instances", "parameters", read=read)


def _sagemaker(call: Call) -> Snippet:
    return _by_row(call, "/invocations", "inputs", "parameters")


def _azure_ml(call: Call) -> Snippet:
    return _by_row(call, "/score", "input_data", "params")


def _by_row(
    call: Call,
    path: str,
    texts_name: str,
    params_name: str,
    *,
    read: str = "(row,) = json.load(answer)",
) -> Snippet:
    """A request whose answer has a row for each text; the names are those of its two fields."""
    body = _with_params(call, params_name, {texts_name: [call.text]})
    return _post(call, path, body, read=read, show=_printed(call, "row", 'row["output"]'))


def _graphql(call: Call) -> Snippet:
    has_params = bool(call.params)
    declared = "$texts: [String!]!" + ", $params: JSON" * has_params
    given = "texts: $texts" + ", params: $params" * has_params
    wanted = "... on Prediction { id label score output } ... on Failed { message }"
    query = f"mutation ({declared}) {{ predict({given}) {{ {wanted} }} }}"
    return _post(
        call,
        "/graphql",
        {"query": query, "variables": _with_params(call, "params", {"texts": [call.text]})},
        read='(prediction,) = json.load(answer)["data"]["predict"]',
        show=_printed(call, "prediction", 'prediction["output"]'),
    )


def _openai(call: Call) -> Snippet:
    names = {"max_new_tokens": "max_tokens", "temperature": "temperature", "seed": "seed"}
    sampling = {names[name]: value for name, value in call.params.items() if name in names}
    path = "chat/completions" if call.is_chat else "completions"
    asked = {"messages": _messages(call)} if call.is_chat else {"prompt": call.text}
    return _post(
        call,
        f"/v1/{path}",
        {"model": call.name, **asked, **sampling},
        read='(choice,) = json.load(answer)["choices"]',
        show='print(choice["message"]["content"])' if call.is_chat else 'print(choice["text"])',
        note=f"The package openai takes base_url={as_python(f'{call.address}/v1')}.",
    )


def _messages(call: Call) -> list[Any]:
    """The messages of a chat, for OpenAI's format."""
    if call.is_conversation:
        try:
            written = json.dumps(json.loads(call.text), ensure_ascii=False)
            messages = json.loads(written.translate(LONE_SURROGATES))
        except (ValueError, RecursionError):  # a prediction from a file can be of any text
            messages = None
        if isinstance(messages, list):
            return messages
    return [{"role": "user", "content": call.text}]


# --- Hugging Face ---------------------------------------------------------------------------------

# By task: the method of InferenceClient, and the attributes of each item that it returns.
METHODS = {
    "text-classification": ("text_classification", ("label", "score")),
    "zero-shot-classification": ("zero_shot_classification", ("label", "score")),
    "token-classification": ("token_classification", ("entity_group", "word", "score")),
    "fill-mask": ("fill_mask", ("token_str", "score")),
}


def _huggingface(call: Call) -> Snippet:
    params = dict(call.params)
    if call.is_chat:  # which this format does not take for granted
        params["chat"] = True
    body = {"inputs": call.text, **({"parameters": params} if params else {})}
    return Snippet(curl=_curl(call, "/api/predict", body), python=_client(call))


def _client(call: Call) -> str:
    """A call of huggingface_hub's InferenceClient."""
    params = {name: each for name, each in call.params.items() if name not in ("chat", "messages")}
    text, path = as_python(call.text), "/api/predict"
    if call.is_chat:
        if "max_new_tokens" in params:
            params["max_tokens"] = params.pop("max_new_tokens")
        path, params = "/v1", {"model": call.name, **params}
        arguments = _arguments(as_python(_messages(call)), params)
        show = f"answer = client.chat_completion({arguments})\n"
        show += "print(answer.choices[0].message.content)"
    elif call.task == "text-generation":
        show = f"print(client.text_generation({_arguments(text, params)}))"
    else:
        method, fields = METHODS[call.task]
        printed = ", ".join(f"item.{name}" for name in fields)
        show = f"for item in client.{method}({_arguments(text, params)}):\n    print({printed})"
    url = as_python(call.address + path)
    head = ["import os\n"] if call.needs_key else []
    head += ["from huggingface_hub import InferenceClient\n"]
    if call.needs_key:
        head += [f"client = InferenceClient({url}, token={KEY})"]
    else:
        head += ["# Without a token it would send the one of your account on the Hub."]
        head += [f'client = InferenceClient({url}, token="none")']
    return "\n".join([*head, show])


def _arguments(first: str, named: Mapping[str, Any]) -> str:
    """The arguments of a call, each on a line of its own if there are several."""
    if not named:
        return first
    lines = [first, *(f"{name}={as_python(value)}" for name, value in named.items())]
    return "\n    " + ",\n    ".join(lines) + ",\n"


FORMATS = (
    Format(
        name="Tryout",
        about="All that a prediction holds, and an id by which it can be rated.",
        snippet=_native,
    ),
    Format(
        name="Hugging Face",
        about="As InferenceClient speaks it; in Python it needs the package huggingface_hub.",
        snippet=_huggingface,
    ),
    Format(
        name="OpenAI",
        about="As clients of language models speak it.",
        snippet=_openai,
        tasks=("text-generation",),
    ),
    Format(
        name="Open Inference v2",
        about="As Triton and KServe speak it.",
        snippet=_open_inference,
    ),
    Format(
        name="Vertex AI, TF Serving, KServe v1",
        about="Texts as rows; the answer has a row for each.",
        snippet=_rows,
    ),
    Format(
        name="AWS SageMaker",
        about="As the container of an endpoint is asked.",
        snippet=_sagemaker,
    ),
    Format(
        name="Azure ML",
        about="As a deployment of an MLflow model is asked.",
        snippet=_azure_ml,
    ),
    Format(
        name="GraphQL",
        about="A document names the fields of the answer; texts travel in its variables.",
        snippet=_graphql,
        package="strawberry",
    ),
)
