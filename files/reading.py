"""The table in a file that was uploaded, or in a text that was pasted.

A row that cannot be read is listed with the reason and never fails the rest. Knows no model: texts
of any length are read.
"""

from files.delimited import lines_of, records, sample_widths
from files.errors import ReadingError
from files.formats import reader_of
from files.tables import Limits, Table, check_bytes, check_lines, table_of


def read_file(name: str, data: bytes, *, limits: Limits, header: bool | None = None) -> Table:
    """The table in a file, read by its content and its name.

    From the first visible sheet of an XLSX file; JSON objects, one a line or in an array; one text
    a line of a .txt file; else CSV with whatever delimiter. `header` says if the first row of a
    table names the columns; None is a guess. Raises ReadingError if the file cannot be read or is
    beyond `limits`.
    """
    check_bytes(len(data), limits)
    read = reader_of(name, data)
    return read(data, limits, header)


def read_pasted(text: str, *, limits: Limits, header: bool | None = None) -> Table:
    """The cells copied from a spreadsheet, if there are two columns or more; else a text a line.

    A cell with line breaks, which spreadsheets put in quotes, is one text in either. Raises
    ReadingError if there is nothing or too much.
    """
    check_bytes(len(text.encode("utf-8", "surrogatepass")), limits)
    if not text.strip():
        raise ReadingError("There is nothing to read. Paste one text a line.")
    check_lines(text, limits)
    lines = lines_of(text)
    widths = sample_widths(lines, "\t", as_copied=True)
    delimiter = "\t" if widths and widths[0] > 1 and len(set(widths)) == 1 else ""
    rows = records(lines, delimiter, as_copied=True)
    kind = "TSV" if delimiter else "text"
    return table_of(rows, limits, header, kind=kind, delimiter=delimiter)
