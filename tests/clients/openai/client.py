"""OpenAI's client: models, chats and completions, whole and streamed, and errors.

It prints the text that follows each prompt, by each way in which the client can ask.
"""

import json
import sys
from typing import Any

from openai import APIStatusError, NotFoundError, OpenAI
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionMessageParam

url, name = sys.argv[1:]
prompts = json.load(sys.stdin)
client = OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0)
TOKENS = 24


def messages(prompt: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": prompt}]


def chat(prompt: str) -> str:
    completion = client.chat.completions.create(
        model=name, messages=messages(prompt), max_completion_tokens=TOKENS
    )
    (choice,) = completion.choices
    assert (choice.message.role, choice.finish_reason) == ("assistant", "length")
    require_usage(completion.usage)
    return choice.message.content or ""


def chat_streamed(prompt: str) -> str:
    *chunks, last = client.chat.completions.create(
        model=name,
        messages=messages(prompt),
        max_tokens=TOKENS,
        stream=True,
        stream_options={"include_usage": True},
    )
    require_usage(last.usage)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "length"
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def chat_by_the_helper(prompt: str) -> str:
    with client.chat.completions.stream(
        model=name, messages=messages(prompt), max_tokens=TOKENS
    ) as stream:
        return "".join(event.delta for event in stream if event.type == "content.delta")


def completion(prompt: str) -> str:
    made = client.completions.create(model=name, prompt=prompt, max_tokens=TOKENS)
    require_usage(made.usage)
    (choice,) = made.choices
    assert choice.finish_reason == "length"
    return str(choice.text)


def completion_streamed(prompt: str) -> str:
    parts = list(
        client.completions.create(model=name, prompt=prompt, max_tokens=TOKENS, stream=True)
    )
    assert parts[-1].choices[0].finish_reason == "length"
    return "".join(part.choices[0].text for part in parts)


def refusal(**options: Any) -> APIStatusError:
    """The error of a chat that is refused."""
    try:
        client.chat.completions.create(messages=messages("Hello"), **options)
    except APIStatusError as error:
        return error
    raise AssertionError(f"{options} was not refused")


def require_usage(usage: CompletionUsage | None) -> None:
    assert usage
    assert usage.completion_tokens == TOKENS
    assert usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + TOKENS


(listed,) = client.models.list()
assert listed.id == client.models.retrieve(name).id == name
assert listed.created == client.models.retrieve(name).created
missing = refusal(model="gpt-4o")
assert (missing.status_code, missing.code, missing.param) == (404, "model_not_found", "model")
assert isinstance(missing, NotFoundError)
assert "There is no model 'gpt-4o' here" in missing.message
several_answers = refusal(model=name, n=2)
assert (several_answers.status_code, several_answers.param) == (422, "n")
several = client.completions.create(model=name, prompt=prompts, max_tokens=TOKENS)
conversation = client.chat.completions.create(
    model=name,
    messages=[{"role": "system", "content": "Be brief."}, *messages("Hello")],
    max_tokens=TOKENS,
)
assert conversation.choices[0].message.content

answers = {
    "chat": list(map(chat, prompts)),
    "chat, streamed": list(map(chat_streamed, prompts)),
    "chat, by the helper": list(map(chat_by_the_helper, prompts)),
    "completion": list(map(completion, prompts)),
    "completion, streamed": list(map(completion_streamed, prompts)),
    "completion of several": [choice.text for choice in several.choices],
}
print(json.dumps(answers))
