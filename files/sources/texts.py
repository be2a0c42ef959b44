"""Lines of a text of any length, from blocks of bytes; knows nothing of tables."""

import codecs
import io
from collections.abc import Iterator
from itertools import chain

from files.decoding import MARKED, NO_ENCODING, damaged_at, encoding_of, not_a_table
from files.errors import ReadingError
from files.formats import NOT_READ

SAMPLE_BYTES = 1_000_000  # by which the encoding is guessed
MAX_LINE_CHARS = 16_000_000


class Lines:
    """The lines of a text in blocks, to be read once; `encoding` is that of its beginning.

    Where the text cannot be read on, the lines end and `error` says why: the rows until there are
    worth having.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        """Reads the beginning; raises ReadingError if that is no text in a known encoding."""
        self.error: ReadingError | None = None
        self._bytes = self._read(blocks)
        head: list[bytes] = []
        size_bytes = 0
        for block in self._bytes:
            head.append(block)
            size_bytes += len(block)
            if size_bytes > SAMPLE_BYTES:
                break
        data = b"".join(head)
        seems = next((seems for begin, seems in NOT_READ.items() if data.startswith(begin)), "")
        if seems:
            raise not_a_table(seems)
        sample = data if size_bytes <= SAMPLE_BYTES else _whole_characters(data[:SAMPLE_BYTES])
        self.encoding, mark_bytes = encoding_of(sample)
        self._codec = "utf-8-sig" if self.encoding == "UTF-8" and mark_bytes else self.encoding
        self._bytes = chain(head, self._bytes)

    def _read(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from blocks
        except ReadingError as error:
            self.error = error

    def _texts(self) -> Iterator[str]:
        """The text in pieces."""
        errors = "strict" if self.encoding in MARKED else "surrogateescape"
        decoder = codecs.getincrementaldecoder(self._codec)(errors)
        size_bytes = 0
        try:
            for data in self._bytes:
                size_bytes += len(data)
                yield decoder.decode(data)
            if not self.error:
                yield decoder.decode(b"", True)
        except UnicodeDecodeError as error:
            # The decoder may have kept some bytes of former blocks.
            before_bytes = size_bytes - len(error.object)
            self.error = ReadingError(NO_ENCODING)
            if self.encoding in MARKED:
                self.error = damaged_at(before_bytes + error.start, self.encoding)
            text = error.object[: error.start].decode(error.encoding, errors)
            yield text if before_bytes else text.removeprefix("\ufeff")

    def blocks(self) -> Iterator[list[str]]:
        """The lines with their ends: CRLF, LF or CR and nothing else; the last may have none."""
        rest = ""
        count = 0
        for text in self._texts():
            lines = list(io.StringIO(rest + text, newline=""))
            # A CR at the end may be the first half of a CRLF.
            rest = lines.pop() if lines and not lines[-1].endswith("\n") else ""
            count += len(lines)
            if lines:
                yield lines
            if len(rest) > MAX_LINE_CHARS:
                self.error = ReadingError(
                    f"Line {count + 1:,} has more than {MAX_LINE_CHARS / 1e6:,.0f} million "
                    "characters. Break the file into lines."
                )
                return
        if rest and not self.error:
            yield [rest]


def _whole_characters(data: bytes) -> bytes:
    """The data without the last line, or at least without a character of UTF-8 that was cut."""
    end = max(data.rfind(b"\n"), data.rfind(b"\r"))
    if end > 0:
        return data[: end + 1]
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    decoder.decode(data)
    return data[: len(data) - len(decoder.getstate()[0])]
