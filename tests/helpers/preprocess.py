"""The file of an owner's functions that change texts, for tests of what comes after them."""

from pathlib import Path

import pytest

from model import Model

SOURCE = '''
import dataclasses
import re
import time


@dataclasses.dataclass
class Settings:
    user: "str" = "@user"


def clean(text):
    """As tweet models want it."""
    text = re.sub(r"@\\w+", Settings().user, text)
    return re.sub(r"https?://\\S+", "http", text)


def lower(text):
    return text.lower()


def fails_on_digits(text):
    return str([1 // (not character.isdigit()) and character for character in text])


def returns_none(text):
    return None


def returns_nothing(text):
    return " \\u200b"


def returns_much(text):
    return "x" * 1_000_001


def leaves(text):
    raise SystemExit(3)


def sleeps(text):
    time.sleep(3 if "slow" in text else 0)
    return text


def holds(text):
    """No other thread runs meanwhile."""
    return text + " " * (sum(range(100_000_000 if "slow" in text else 1)) % 1)


def never_returns(text):
    while "slow" in text:
        pass
    return text


WORDS = {"a": "b"}
'''


def write(folder: Path, patch: pytest.MonkeyPatch, source: str = SOURCE) -> Path:
    """The file `cleaning.py` in a folder, in which functions are looked up from now on."""
    patch.setattr("model.preprocess.HOME", folder)
    path = folder / "cleaning.py"
    path.write_text(source, encoding="utf-8")
    return path


def loaded(function: str, model_id: str = "model/bundled", **how: object) -> Model:
    """A loaded model with a function of that file."""
    model = Model(model_id, device="cpu", preprocess=f"cleaning:{function}", **how)  # type: ignore[arg-type]
    model.load()
    return model
