"""Text that grows: read while it does, stopped, abandoned, queued, and cut."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import cast

import pytest

from model import GeneratedText, Generation, InputError, Model, ModelClosed, ModelError
from model.runtimes import TorchRuntime
from model.tokenizer import TransformersTokenizer
from tests.helpers import tiny
from tests.helpers.growing import begins

LONG = {"max_new_tokens": 2000}


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """A generator that does not come to an end by itself for a long time."""
    folder = tiny.llama(tmp_path_factory.mktemp("writer") / "model", chat=True, max_tokens=4096)
    model = Model(str(folder), device="cpu")
    model.load()
    yield model
    model.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def text_of(generation: Generation) -> GeneratedText:
    output = generation.future.result(30).output
    assert isinstance(output, GeneratedText)
    return output


def test_it_grows_and_ends_as_the_prediction_says(writer: Model) -> None:
    generation = writer.stream("Once", {"max_new_tokens": 600})
    seen = []
    while not generation.wait(0.002):
        seen.append(generation.text)
    output = text_of(generation)
    assert output == writer.predict(["Once"], {"max_new_tokens": 600})[0].output
    assert (output.tokens, output.finish) == (600, "length")
    assert len(set(seen)) > 2, "it was there before it was whole"
    assert all(begins(output.text, text) for text in seen)


def test_a_stop_stops_the_computation(writer: Model) -> None:
    generation = writer.stream("Once", LONG)
    until(lambda: generation.text)
    generation.stop()
    output = text_of(generation)
    assert output.finish == "stopped"
    assert 0 < output.tokens < 2000
    assert output.text.rstrip("\N{REPLACEMENT CHARACTER}") == generation.text
    started_s = time.monotonic()
    writer.predict(["Next"], {"max_new_tokens": 1})
    assert time.monotonic() - started_s < 10, "the worker is free"


def test_what_waits_is_cancelled_by_a_stop(writer: Model) -> None:
    first = writer.stream("Once", LONG)
    waiting = writer.stream("Twice", LONG)
    until(lambda: first.text)
    waiting.stop()
    assert waiting.wait(0)
    with pytest.raises(CancelledError):
        waiting.future.result(0)
    first.stop()
    assert text_of(first).finish == "stopped"


def test_a_text_that_nobody_reads_is_stopped(
    writer: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.generation.UNREAD_S", 0.2)
    first, second = writer.stream("Once", LONG), writer.stream("Twice", LONG)
    for _ in range(8):  # the first one is read for a while, the second one never
        first.wait(0.05)
    assert text_of(first).finish == "stopped"
    assert text_of(second).tokens == 0, "its reader had gone before its turn came"


def test_a_reader_that_waits_for_the_future_has_not_gone(
    writer: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.generation.UNREAD_S", 0.0)
    output = writer.submit("Once", {"max_new_tokens": 50}).result(30).output
    assert isinstance(output, GeneratedText)
    assert (output.tokens, output.finish) == (50, "length")


def test_the_end_of_the_text_ends_it(writer: Model) -> None:
    """Somewhere among many seeds the model draws its end token."""
    finishes = set()
    for seed in range(1, 40):
        params = {"max_new_tokens": 60, "temperature": 2.0, "seed": seed}
        output = writer.predict(["Once"], params)[0].output
        assert isinstance(output, GeneratedText)
        finishes.add(output.finish)
        if output.finish == "end":
            assert "</s>" not in output.text
            return
    pytest.fail(f"none ended: {finishes}")


def test_a_seed_says_it_again_and_none_draws_one(writer: Model) -> None:
    hot = {"max_new_tokens": 30, "temperature": 1.5}
    (one,) = writer.predict(["Once"], hot)
    assert one.params["seed"] != 0
    (again,) = writer.predict(["Once"], one.params)
    assert again.output == one.output
    assert writer.predict(["Once"], hot)[0].output not in (one.output,)
    assert writer.predict(["x"], {"max_new_tokens": 2})[0].params["seed"] == 0


def test_a_message_that_is_too_long_says_how_long_it_is(writer: Model) -> None:
    with pytest.raises(InputError, match=r"has [\d,]+ tokens and the model takes 4,096, the 128"):
        writer.stream("far too long " * 3000)
    (cut,) = writer.predict(["far too long " * 3000], {"chat": False, "max_new_tokens": 2})
    assert cut.truncated


@pytest.mark.parametrize(
    "text",
    [
        "Once",
        "[]",
        "{}",
        "[1]",
        '[{"role": "user"}]',
        '[{"role": "user", "content": null}]',
        '[{"role": "user", "content": "a", "name": "b"}]',
        "[" * 100_000,
    ],
)
def test_a_text_that_is_no_conversation(writer: Model, text: str) -> None:
    with pytest.raises(InputError, match="is not a JSON list of messages"):
        writer.stream(text, {"messages": True})


def test_a_conversation_needs_the_chat_template(writer: Model) -> None:
    with pytest.raises(InputError, match="messages is true and chat is false"):
        writer.stream("[]", {"messages": True, "chat": False})


def test_odd_settings_of_the_model_do_no_harm(
    writer: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = cast(TorchRuntime, writer.loaded.runtime).module.generation_config
    plain = writer.predict(["Once"], {"max_new_tokens": 20})[0].output
    monkeypatch.setattr(settings, "return_dict_in_generate", True)
    assert writer.predict(["Once"], {"max_new_tokens": 20})[0].output == plain
    monkeypatch.setattr(settings, "stop_strings", [plain.text[2:4]])  # type: ignore[union-attr]
    cut = writer.predict(["Once"], {"max_new_tokens": 20})[0].output
    assert isinstance(cut, GeneratedText)
    assert cut.tokens < 20
    assert cut.finish == "end", "the model's own settings ended it, and nobody stopped it"


def test_one_prompt_that_cannot_be_begins_none(writer: Model) -> None:
    with pytest.raises(InputError, match="tokens and the model takes"):
        writer.predict(["Once"] * 3 + ["far too long " * 3000], LONG)
    assert writer.predict(["Next"], {"max_new_tokens": 1})[0].queue_ms < 5000


def test_an_empty_prompt_gets_a_hint(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = Model(str(tiny.gpt2(tmp_path_factory.mktemp("empty") / "model")), device="cpu")
    model.load()
    with pytest.raises(InputError, match="no text to continue"):
        model.predict([""])
    model.close()


def test_a_failure_reaches_the_reader(writer: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr(writer.loaded.runtime, "generate", fail)
    with pytest.raises(ModelError, match=r"there is not enough memory for it\. Shorten the text"):
        writer.stream("Once").future.result(30)


def test_a_broken_chat_template_is_one_sentence(
    writer: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cast(TransformersTokenizer, writer.loaded.tokenizer).raw,
        "chat_template",
        "{{ nothing.at.all }}",
    )
    with pytest.raises(
        InputError, match=r"template refuses the message: 'nothing' is und.*chat = "
    ):
        writer.stream("Once")


def test_only_a_generator_streams(model: Model) -> None:
    with pytest.raises(InputError, match="text-classification gives its output at once"):
        model.stream("x")


def test_close_stops_what_grows_and_cancels_what_waits(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tiny.llama(tmp_path_factory.mktemp("closed") / "model", max_tokens=4096)
    model = Model(str(folder), device="cpu")
    model.load()
    growing, waiting = model.stream("Once", LONG), model.stream("Twice", LONG)
    until(lambda: growing.text)
    threading.Thread(target=model.close).start()
    assert text_of(growing).finish == "stopped"
    with pytest.raises(ModelClosed):
        waiting.future.result(30)
    model.close()
    with pytest.raises(ModelClosed, match="was closed"):
        model.stream("Again")
