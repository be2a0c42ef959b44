"""The file of results of a batch, on each kind of database."""

import csv
import io
import json

from feedback import FeedbackLog, batch_results, batches
from feedback.batches import BatchRow
from tests.helpers.batches import batch_of, entry_in

ODD = 'a "quoted", =1+1\n\0\ud800 cell'


def test_the_columns_of_the_results_have_names_of_their_own() -> None:
    added = batch_results.added_columns(("row", "row (2)", "text"))
    assert added[:2] == ["row (3)", "predicted_label"]


def test_the_file_of_results_has_the_columns_of_the_file_first(log: FeedbackLog) -> None:
    rows = [
        BatchRow(2, ("1", ODD)),
        BatchRow(3, ("2", ""), "There is no text in this row."),
        BatchRow(4, "half a row", "a quote is opened and never closed"),
        BatchRow(5, ("4", "not yet")),
    ]
    batch = batch_of(log, rows)
    one = entry_in(batch, ODD, 0.75)
    batches.store(log, batch, [(2, one)])
    text = b"".join(batch_results.results_csv(log, batch)).decode("utf-8-sig")
    header, *found = csv.reader(io.StringIO(text))
    assert header == ["id", "'=text", *batch_results.PREDICTED_COLUMNS, "problem"]
    assert [row[:2] for row in found] == [
        ["1", 'a "quoted", =1+1\n\x100000\x10d800 cell'],
        ["2", ""],
        ["4", "not yet"],
    ]
    by_name = [dict(zip(header, row, strict=True)) for row in found]
    assert by_name[0]["predicted_label"] == "x"
    assert float(by_name[0]["predicted_score"]) == 0.75
    assert json.loads(by_name[0]["output"])[0] == {"label": "x", "score": 0.75}
    assert by_name[0]["prediction_id"] == str(one.prediction.id)
    assert by_name[1]["problem"] == "There is no text in this row."
    assert by_name[2]["predicted_label"] == by_name[2]["problem"] == ""
    assert by_name[0]["read"] == ""
