"""The owner's function before the model: on every path, mapped back, and when it is a bad one."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model import InputError, Model, ModelLoadError, Prediction, Spans, attribute
from model.export import export
from model.text import are_aligned
from tests.helpers import tiny
from tests.helpers.preprocess import SOURCE, loaded, write
from tests.helpers.until import until

TWEET = "@ada_l I love this, see https://t.co/x1y2"
CLEANED = "@user I love this, see http"


@pytest.fixture(scope="module", autouse=True)
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield write(tmp_path_factory.mktemp("repository"), patch)


@pytest.fixture(scope="module")
def cleaning() -> Iterator[Model]:
    """The bundled model with the function `clean`."""
    model = loaded("clean")
    yield model
    model.close()


@pytest.fixture
def load() -> Iterator[Callable[..., Model]]:
    """Loads a model with a function, and closes what was loaded."""
    models: list[Model] = []

    def load(function: str, *arguments: str, **how: Any) -> Model:
        models.append(loaded(function, *arguments, **how))
        return models[-1]

    yield load
    for model in models:
        model.close()


def test_the_model_reads_what_the_function_returns_and_the_input_stays(
    cleaning: Model, model: Model
) -> None:
    prediction, same = cleaning.predict([TWEET, "No names."])
    (expected,) = model.predict([CLEANED])
    assert (prediction.input, prediction.read) == (TWEET, CLEANED)
    assert prediction.output.scores == pytest.approx(expected.output.scores, abs=1e-5)
    assert (same.input, same.read) == ("No names.", None)


def test_the_revision_names_the_function_too(
    cleaning: Model, model: Model, functions: Path, load: Callable[..., Model]
) -> None:
    digest = hashlib.sha256(functions.read_bytes() + b"\nclean").hexdigest()[:8]
    revision = f"{model.info.revision}+{digest}"
    (prediction,) = cleaning.predict(["x"])
    assert prediction.model_revision == cleaning.info.revision == revision
    assert cleaning.inspect().revision == revision
    assert load("lower").info.revision not in (revision, model.info.revision)


ASK: dict[str, Callable[[Model, str], Prediction]] = {
    "predict": lambda model, text: model.predict([text, "another"])[0],
    "submit": lambda model, text: model.submit(text).result(60),
    "bulk": lambda model, text: model.submit(text, bulk=True).result(60),
    "submit_many": lambda model, text: model.submit_many(["another", text])[1].result(60),
}


@pytest.mark.parametrize("way", ASK)
def test_every_way_in_has_the_function(way: str, cleaning: Model) -> None:
    assert ASK[way](cleaning, TWEET).read == CLEANED


def test_its_length_is_that_of_the_text_that_is_read(cleaning: Model, model: Model) -> None:
    long = "https://t.co/" + "x-" * 2000
    assert not model.reads_all(long)
    assert cleaning.reads_all(long)
    assert not cleaning.predict([long])[0].truncated


def test_a_text_that_grows_and_a_conversation(tmp_path: Path, load: Callable[..., Model]) -> None:
    folder = str(tiny.llama(tmp_path / "writer", chat=True, max_tokens=400))
    cleaned, plain = load("clean", folder), Model(folder, device="cpu")
    plain.load()
    grown = cleaned.stream("@bob Once", {"max_new_tokens": 3}).future.result(60)
    assert grown.read == "@user Once"
    assert grown.output == plain.predict(["@user Once"], {"max_new_tokens": 3})[0].output
    typed = [{"role": r, "content": "@bob Once"} for r in ("user", "assistant", "user")]
    read = [m | ({"content": "@user Once"} if m["role"] == "user" else {}) for m in typed]
    params = {"messages": True, "max_new_tokens": 3}
    (answer,) = cleaned.predict([json.dumps(typed)], params)
    assert answer.input == json.dumps(typed)
    assert json.loads(str(answer.read)) == read
    assert answer.output == plain.predict([json.dumps(read)], params)[0].output
    with pytest.raises(InputError, match="JSON list of messages"):
        cleaned.predict(["@bob"], params)
    plain.close()


def test_labels_to_choose_from_are_parameters_and_stay(
    tmp_path: Path, load: Callable[..., Model]
) -> None:
    model = load("lower", str(tiny.nli(tmp_path / "nli")))
    (prediction,) = model.predict(["The Screen"], {"candidate_labels": ["Praise", "Billing"]})
    assert prediction.read == "the screen"
    assert set(prediction.output.scores) == {"Praise", "Billing"}


def test_the_gap_of_fill_mask_must_stay(tmp_path: Path, load: Callable[..., Model]) -> None:
    folder = str(tiny.bert_masked(tmp_path / "masked"))
    cleaned = load("clean", folder).predict(["@bob lives in [MASK]."])[0]
    assert cleaned.read == "@user lives in [MASK]."
    lowering = load("lower", folder)
    with pytest.raises(InputError, match=r"'cleaning:lower'.* changed \[MASK\] in it"):
        lowering.predict(["London is in [MASK]."])
    with pytest.raises(ModelLoadError, match=r"fails at its first prediction: .*\[MASK\]"):
        lowering.warm_up()


@pytest.mark.parametrize("name", ["BERT tagger", "XLM-R tagger"])
@pytest.mark.parametrize("strategy", ["simple", "first"])
def test_spans_are_of_the_input_where_places_stay_and_else_of_the_text_that_was_read(
    name: str, strategy: str, tmp_path: Path, load: Callable[..., Model]
) -> None:
    folder = str(tiny.MAKERS[name](tmp_path / "tagger"))
    plain, params = Model(folder, device="cpu"), {"aggregation_strategy": strategy}
    plain.load()
    for function, text, spans_of in (
        ("lower", "Ada Lovelace was born in London.", "input"),
        ("clean", "@adalovelace was born in London, https://x.org", "read"),
    ):
        (prediction,) = load(function, folder).predict([text], params)
        (expected,) = plain.predict([str(prediction.read)], params)
        assert prediction.spans_of == spans_of
        assert prediction.spanned == (text if spans_of == "input" else prediction.read)
        assert isinstance(prediction.output, Spans)
        assert prediction.output.items
        assert prediction.answer == expected.answer
    plain.close()


@pytest.mark.parametrize(
    ("changed", "aligned"),
    [
        ("ann saw bobby.", True),
        ("Ann saw Bobby ", True),
        ("*** saw Bobby.", True),
        ("Ann saw Bobby", False),
        ("user saw bob. ", False),
        ("Annie saw Bob.", False),
    ],
)
def test_a_length_that_is_the_same_by_chance_is_not_enough(changed: str, aligned: bool) -> None:
    assert are_aligned("Ann saw Bobby.", changed) is aligned


def test_words_are_weighed_as_they_were_typed(cleaning: Model, model: Model) -> None:
    text = "@ada wonderful, https://t.co/abc"
    attribution = attribute(cleaning, cleaning.predict([text])[0])
    assert [text[w.start : w.end] for w in attribution.weights] == text.split()
    by_hand = model.predict(["@user wonderful, http", "@user http"])
    fall = by_hand[0].output.scores["positive"] - by_hand[1].output.scores["positive"]
    assert attribution.weights[1].weight == pytest.approx(fall, abs=1e-4)


def test_an_export_has_the_function_beside_its_graph(
    tmp_path: Path, load: Callable[..., Model]
) -> None:
    folder = tiny.bert_classifier(tmp_path / "model")
    torch = load("clean", str(folder), dtype="float32")
    export(torch, tmp_path / "onnx", int8=False, texts=[TWEET, "One more."])
    onnx = load("clean", str(tmp_path / "onnx"), runtime="onnx")
    (ours,), (theirs,) = torch.predict([TWEET]), onnx.predict([TWEET])
    assert theirs.read == ours.read == CLEANED
    assert theirs.output.scores == pytest.approx(ours.output.scores, abs=1e-4)
    assert theirs.model_revision.split("+")[1] == ours.model_revision.split("+")[1]


def test_an_edited_file_is_run_anew_and_is_another_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[..., Model]
) -> None:
    path = write(tmp_path, monkeypatch)
    before = load("lower")
    path.write_text(SOURCE.replace("text.lower()", "text.upper()"), encoding="utf-8")
    after = load("lower")
    assert before.inspect().revision == after.info.revision != before.info.revision
    assert before.predict(["Ab"])[0].read == "ab", "the loaded model has what it was loaded with"
    assert after.predict(["Ab"])[0].read == "AB"
    beside = load("lower", shares_worker_with=before)
    assert beside.info.revision == before.info.revision, "the two are compared on the same texts"
    assert beside.predict(["Ab"])[0].read == "ab"


# --- bad functions --------------------------------------------------------------------------------

BAD = {
    "fails_on_digits": r"failed on it with ZeroDivisionError \(integer division",
    "returns_none": "value of type NoneType",
    "returns_nothing": "left nothing of it",
    "returns_much": "1,000,001 characters of it and the limit is 1,000,000",
    "leaves": r"failed on it with SystemExit \(3\)",
}


@pytest.mark.parametrize("function", BAD)
def test_a_function_that_gives_no_text_is_a_sentence(
    function: str, load: Callable[..., Model], caplog: pytest.LogCaptureFixture
) -> None:
    model = load(function)
    for way in ASK:
        with pytest.raises(InputError, match=f"'cleaning:{function}', .* {BAD[function]}"):
            ASK[way](model, "number 7")
    assert "number" not in "".join(record.getMessage() for record in caplog.records)


def test_a_text_on_which_it_fails_fails_alone(load: Callable[..., Model]) -> None:
    model = load("fails_on_digits")
    first, second, third = model.submit_many(["one", "2", "three"])
    assert (first.result(60).input, third.result(60).input) == ("one", "three")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        second.result()


@pytest.mark.parametrize("function", ["sleeps", "holds", "never_returns"])
def test_over_a_second_for_a_text_it_is_refused_from_then_on(
    function: str, load: Callable[..., Model]
) -> None:
    before = _threads()
    model = load(function)
    assert model.predict(["quick"])[0].input == "quick"
    took = r"(took|had not returned after) [1-9]\d*\.\d s"
    sentence = f"'cleaning:{function}' {took} for a text of 9 characters.* not called any more"
    for text in ("slow text", "quick"):
        with pytest.raises(InputError, match=sentence):
            model.predict(["quick", text])
    with pytest.raises(InputError, match=sentence):
        model.reads_all("quick")
    assert load(function).predict(["quick"]), "a model that is loaded anew has another try"
    del model
    until(lambda: len(_threads() - before) <= 1)  # that of the second model


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "preprocess"}


def test_a_hundred_callers_at_once_get_their_own_texts(cleaning: Model) -> None:
    read: dict[int, str | None] = {}

    def ask(number: int) -> None:
        read[number] = cleaning.submit(f"@bob {number}").result(60).read

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(100)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert read == {number: f"@user {number}" for number in range(100)}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere:clean", r"'nowhere:clean', and there is no file nowhere.py beside app.toml"),
        ("deep.nowhere:clean", "there is no file deep/nowhere.py"),
        ("cleaning:claen", "cleaning.py has no function claen. Its functions: Settings, clean,"),
        ("cleaning:WORDS", "WORDS in cleaning.py is a dict"),
        ("cleaning", 'must be a module and a function of it, like "preprocess:clean"'),
        ("../cleaning:clean", "must be a module"),
    ],
)
def test_a_function_that_is_not_there(name: str, sentence: str) -> None:
    with pytest.raises(ModelLoadError, match=f"'model/bundled' cannot be loaded. .*{sentence}"):
        Model("model/bundled", preprocess=name).load()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def clean(:", r"fails when it is imported: SyntaxError: invalid syntax \(cleaning.py"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("1 / 0", "ZeroDivisionError: division by zero. Correct it"),
        ("raise SystemExit", "SystemExit: no reason given"),
        ("x = '\udcff'", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_run(
    source: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, "").write_bytes(source.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelLoadError, match=sentence):
        loaded("clean")
