"""Parameters: the value of each, and what a wrong value says."""

from typing import Any

import pytest

from model import InputError, Param
from model.params import checked

PARAMS = (
    Param(name="top_k", title="", default=5, minimum=1, maximum=50),
    Param(name="heat", title="", default=0.5, minimum=0, maximum=2),
    Param(name="strict", title="", default=False),
    Param(name="way", title="", default="a", choices=("a", "b")),
    Param(name="names", title="Names", default=("x",), maximum=3),
    Param(name="free", title="Free", default=""),
)


def test_what_is_not_given_is_the_owners_value_or_the_tasks() -> None:
    values = checked(PARAMS, {"top_k": 7}, defaults={"top_k": 8, "way": "b"})
    assert values == {
        "top_k": 7,
        "heat": 0.5,
        "strict": False,
        "way": "b",
        "names": ["x"],
        "free": "",
    }


def test_whole_numbers_are_numbers_and_names_are_tidied() -> None:
    values = checked(PARAMS, {"heat": 1, "names": [" b ", "", "a", "b"]}, defaults={})
    assert (values["heat"], values["names"]) == (1.0, ["b", "a"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nope": 1}, "no parameter 'nope'; it has top_k, heat, strict"),
        ({"top_k": 0}, "top_k is 0; it must be a whole number from 1 to 50"),
        ({"heat": 10**400}, "heat is 1000"),
        ({"top_k": 1.5}, "top_k is 1.5; it must be a whole number"),
        ({"top_k": True}, "top_k is True; it must be a whole number"),
        ({"heat": float("nan")}, "heat is nan; it must be a number from 0 to 2"),
        ({"strict": 1}, "strict is 1; it must be true or false"),
        ({"way": "c"}, "way is 'c'; it must be a or b"),
        ({"way": 3}, "way is 3; it must be a text"),
        ({"names": "abc"}, "names is 'abc'; it must be a list of texts"),
        ({"names": [1]}, "it must be a list of texts"),
        ({"names": [" "]}, "Names: 0 given; name at least 1 and at most 3"),
        ({"names": list("abcd")}, "Names: 4 given"),
        ({"names": ["x" * 501]}, "one has 501 characters; each may have 500"),
        ({"free": "x" * 501}, "Free: 501 characters; at most 500"),
    ],
)
def test_a_wrong_parameter_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(PARAMS, given, defaults={})


def test_a_sentence_is_short_and_has_the_whole_bound() -> None:
    with pytest.raises(InputError, match=r"^This model has no parameter .{80}; it has") as raised:
        checked(PARAMS, {"n" * 5000: 1}, defaults={})
    assert len(str(raised.value)) < 200
    seed = Param(name="seed", title="Seed", default=0, maximum=2**31 - 1)
    with pytest.raises(InputError, match="a whole number from 0 to 2147483647"):
        checked([seed], {"seed": -1}, defaults={})
