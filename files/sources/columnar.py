"""Rows of a Parquet file of any length, by pyarrow."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from files.decoding import undecoded_byte
from files.errors import ReadingError
from files.sources.columns import Wanted
from files.sources.rows import Cells
from files.sources.values import value_text

BATCH_ROWS = 4096
BUFFER_BYTES = 1024 * 1024  # read ahead of a column, in place of all of its row group


def parquet_cells(file: BinaryIO, wanted: Wanted) -> Iterator[Cells]:
    """The rows of a Parquet file, of which the columns that are wanted alone are read.

    Raises ReadingError if a column is not there, and after the last batch that is whole if the
    file is damaged.
    """
    try:
        parquet = pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False)
        names = parquet.schema_arrow.names
        text_place, key_place = wanted.places(names)
        columns = list(dict.fromkeys(names[n] for n in (text_place, key_place) if n >= 0))
        first = 1
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            texts = _texts(batch.column(names[text_place]))
            keys = _texts(batch.column(names[key_place])) if key_place >= 0 else [""] * len(texts)
            for number, (text, key) in enumerate(zip(texts, keys, strict=True), start=first):
                problem = "" if text.isascii() and key.isascii() else _undecoded(text + key)
                yield Cells(number, text, key, problem)
            first += len(texts)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        detail = str(error).strip().split("\n")[0][:200]
        raise ReadingError(
            f"The Parquet file is cut off or damaged ({detail}). Copy or write it again."
        ) from error


def _texts(column: Any) -> list[str]:
    """The values of a column as texts."""
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:  # of one value, but then none is given
        values = column.cast(pa.binary()).to_pylist()
    except (ValueError, OverflowError):
        values = [_value(scalar) for scalar in column]
    return [value if type(value) is str else value_text(value) for value in values]


def _value(scalar: Any) -> Any:
    """A value; none for a date that Python does not have."""
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return None


def _undecoded(text: str) -> str:
    byte = undecoded_byte(text)
    return f"the byte {byte} is not UTF-8" if byte else ""
