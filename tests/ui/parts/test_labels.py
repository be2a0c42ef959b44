"""Names of labels."""

from ui.parts.labels import distinct


def test_two_labels_never_look_the_same() -> None:
    assert distinct(["a", "b", "C"], str.upper) == {"a": "A", "b": "B", "C": "C"}
    assert distinct(["a", "A", "b"], str.upper) == {"a": "A", "A": "A (2)", "b": "B"}
