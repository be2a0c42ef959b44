"""python -m jobs.replay for real, on a log that is on the disk."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from feedback import Entry, FeedbackLog
from model import Model
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.command import Ran, Run, run_alone, run_here
from tests.helpers.entries import entry, rating
from tests.helpers.preprocess import write

# What the bundled model says of them, and it is right, but for the last: nobody said what is.
TEXTS = {
    "I love this film, it is wonderful.": "positive",
    "What a great and happy day!": "positive",
    "I hate this, it is terrible.": "negative",
    "An awful, boring book.\x1b[31m It goes on and on and on, and then there is more of it.": (
        "negative"
    ),
    "The meeting moved to Tuesday at ten.": "neutral",
}


def run(
    database: Path,
    *arguments: str,
    by: Run = run_here,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    settings = {"TRYOUT_FEEDBACK__DATABASE": str(database), "TRYOUT_MODEL__DTYPE": "float32"}
    ran = by("jobs.replay", *arguments, **settings, **(environment or {}))
    assert "Traceback" not in ran.err
    return ran


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Path:
    """A log with the bundled model's predictions, each rated up; one more was wrong."""
    path = tmp_path_factory.mktemp("log") / "log.db"
    log = FeedbackLog(f"sqlite:///{path}")
    for prediction in model.predict(list(TEXTS)):
        assert prediction.label == TEXTS[prediction.input]
        stored = Entry(prediction=prediction, source="page", session_id="s")
        log.record(stored)
        log.rate(rating(stored))
    (mistaken,) = model.predict(["A mistake, sadly."])
    wrong = Entry(prediction=mistaken, source="page", session_id="s")
    divided = entry("Who knows.")
    for stored in (wrong, divided):
        log.record(stored)
    log.rate(rating(wrong, verdict="down", correction="neutral"))
    log.rate(rating(divided, "Ada"))
    log.rate(rating(divided, "Bob", "down"))
    log.close()
    return path


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundled model that says positive for negative and the other way round."""
    folder = tmp_path_factory.mktemp("models") / "damaged"
    shutil.copytree(ROOT / "model" / "bundled", folder)
    weights: Mapping[str, np.ndarray] = load_file(folder / "model.safetensors")
    swapped = dict(weights)
    for name in ("classifier.weight", "classifier.bias"):
        swapped[name] = np.ascontiguousarray(weights[name][[2, 1, 0]])
    save_file(swapped, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def itself(database: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    out = tmp_path_factory.mktemp("out") / "itself.jsonl"
    return run(database, "--model", "model/bundled", "--out", str(out), by=run_alone), out


def test_the_model_itself_fixes_and_breaks_nothing(itself: tuple[Ran, Path]) -> None:
    ran, out = itself
    assert ran.code == 0
    assert "Nothing was fixed and nothing broken" in ran.out
    header, total, *_ = [line.split() for line in ran.out.split("\n\n")[1].splitlines()]
    assert " ".join(header) == "fixed broken still wrong still right unknown"
    assert (total[:3], total[4]) == (["all", "0", "0"], "5")
    assert "reviewers are divided on them: 1." in ran.out
    written = lines(out)
    assert len(written) == 6
    assert [line["outcome"] for line in written] == ["still wrong", *["still right"] * 5]


def test_a_damaged_copy_is_refused_with_the_right_texts(
    database: Path, damaged: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged.jsonl"
    ran = run(database, "--model", str(damaged), "--out", str(out))
    assert ran.code == 1
    assert "Failed: 4 broken, and 0 may be." in ran.out
    broken = {str(line["input"]) for line in lines(out) if line["outcome"] == "broken"}
    assert broken == {text for text, label in TEXTS.items() if label != "neutral"}
    listed = ran.out.split("Broken:")[1].split("Failed")[0]
    for text in broken:
        assert text.split("\x1b")[0][:40] in listed
    assert "was positive, now negative" in listed
    assert "\x1b" not in ran.out, "a text must not talk to the terminal"
    assert max(map(len, ran.out.splitlines())) < 250
    first = lines(out)[-1]
    assert first["old"]["says"] == "positive"  # type: ignore[index]
    assert first["new"]["model_id"] == str(damaged)  # type: ignore[index]
    assert first["truth"] == "positive"


def test_a_model_with_other_labels_cannot_be_compared(database: Path, tmp_path: Path) -> None:
    other = tiny.one_label_classifier(tmp_path / "other")
    ran = run(database, "--model", str(other))
    assert (ran.code, "none of them is among those" in ran.out) == (2, True)
    assert "labels are not those" in ran.err


def test_as_many_as_allowed_may_break(database: Path, damaged: Path) -> None:
    assert run(database, "--model", str(damaged), "--allow-broken", "4").code == 0
    ran = run(database, "--model", str(damaged), "--allow-broken", "3")
    assert (ran.code, "4 broken, and 3 may be" in ran.out) == (1, True)


def test_only_the_newest(database: Path) -> None:
    ran = run(database, "--model", "model/bundled", "--newest", "3")
    assert ran.code == 0
    assert "over 2 rated predictions" in ran.out, "one of the three is divided"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "empty.db"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--model", "model/bundled"], {}, "no rated predictions of the task text-classification"),
        (["--model", "./nowhere"], {}, "There is no such folder"),
        (["--model", "model/bundled", "--revision", "x"], {}, "has no revision 'x'"),
        (["--model", "model/bundled", "--allow-broken", "-1"], {}, "invalid whole_number value"),
        (["--model", "model/bundled", "--newest", "0"], {}, "invalid positive_number value"),
        ([], {}, "no rated predictions of the task text-classification"),
        (["--revision", "x"], {}, "--revision is of the model that --model names"),
        (["--model", "model/bundled"], {"TRYOUT_LIMITS__MAX_CHARS": "0"}, "limits.max_chars is"),
        (["--model", "model/bundled"], {"DATABASE_URL": "nothing://x"}, "nothing"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    empty: Path, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    ran = run(empty, *arguments, environment=environment)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_the_process_ends_with_the_exit_code(empty: Path) -> None:
    ran = run(empty, "--model", "./nowhere", by=run_alone)
    assert (ran.code, ran.out) == (2, "")
    assert "There is no such folder" in ran.err


def test_a_file_that_cannot_be_written(database: Path, tmp_path: Path) -> None:
    ran = run(database, "--model", "model/bundled", "--out", str(tmp_path / "no" / "x.jsonl"))
    assert ran.code == 2
    assert "cannot be written: No such file or directory. Name another --out." in ran.err


def test_the_function_of_app_toml_comes_before_another_model_too(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, "def negate(text):\n    return 'I hate this: it is terrible.'")
    environment = {"TRYOUT_MODEL__PREPROCESS": "preprocess:negate"}
    (tmp_path / "cleaning.py").rename(tmp_path / "preprocess.py")
    for arguments in ((), ("--model", "model/bundled")):
        ran = run(database, *arguments, environment=environment)
        assert ran.code == 1
        assert "Failed: 3 broken" in ran.out
        assert re.search(r"model/bundled \(\w{12}\+\w{8}, torch", ran.out)
    ran = run(database, "--model", "model/bundled", environment={"TRYOUT_MODEL__PREPROCESS": ""})
    assert (ran.code, "+" in ran.out.split(" over ")[0]) == (0, False)
    ran = run(database, environment={"TRYOUT_MODEL__PREPROCESS": "preprocess:nothing"})
    assert (ran.code, "no function nothing. Its functions: negate." in ran.err) == (2, True)
