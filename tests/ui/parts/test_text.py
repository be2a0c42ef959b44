"""User text stays text on its way into HTML and markdown."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from ui.parts.text import as_html, as_markdown, printable, shortened

any_text = st.text(st.characters()) | st.text(st.sampled_from("<>&\"'\0\ud800:*_`[]()!$\\#\n a"))


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


@given(any_text)
def test_html_reads_back_as_the_text(text: str) -> None:
    reader = Reader()
    reader.feed(f"<p>{as_html(text)}</p>")
    reader.close()
    assert reader.tags == ["p"]
    assert reader.text == printable(text)


@given(any_text)
def test_printable_can_be_sent_to_a_browser(text: str) -> None:
    sent = printable(text).encode("utf-8")
    assert not any(byte < 0x20 and chr(byte) not in "\t\n\r" for byte in sent)


@given(any_text)
def test_every_punctuation_mark_is_escaped_in_markdown(text: str) -> None:
    escaped = as_markdown(text)
    rest = escaped.replace("\\:\u2060", "")
    while rest:
        if rest[0] == "\\":
            assert rest[1] in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
            rest = rest[2:]
        else:
            assert rest[0] not in "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\n"
            rest = rest[1:]


def test_streamlits_shortcodes_are_broken_up() -> None:
    for code in (":smile:", ":material/home:", ":red[text]"):
        assert code[:2] not in as_markdown(code).replace("\\", "")


def test_shortened() -> None:
    assert shortened("a\n  b", max_chars=3) == "a b"
    assert shortened("abcdef", max_chars=6) == "abcdef"
    assert shortened("abc defg", max_chars=5) == "abc…"
