"""The list of formats."""

from files.formats import FORMATS, NOT_READ, SUFFIXES


def test_a_suffix_belongs_to_one_format() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)


def test_a_format_that_is_refused_is_not_in_the_list() -> None:
    for begin in NOT_READ:
        assert not any(known.recognizes and known.recognizes(begin) for known in FORMATS)
