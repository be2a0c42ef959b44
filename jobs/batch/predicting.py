"""Outcomes of rows: a prediction each, or the reason for none. The step `predict` of a job.

Knows no log: a chunk that is predicted again gives the same file with other ids.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedback.jobs import JobRow
from feedback.jobs.records import Contents
from files.sources import SourceRow
from jobs.batch.chunks import Manifest, read_chunk, write_predictions
from model import Prediction, Predictor
from model.bulk import predict_each
from model.params import checked

MOST_REFUSED = 2000  # rows in a row without a text to predict, before they are given out


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """The numbers of rows of a chunk, with a prediction and without."""

    chunk: int
    predicted: int
    rejects: int


def predict(
    manifest_file: Path,
    number: int,
    model: Predictor,
    *,
    on_away: Callable[[bool], object] = lambda is_away: None,
) -> Predicted:
    """Predicts a chunk with a loaded model, and writes its predictions beside it.

    `on_away` is called as by `predict_each`, for a model behind a URL.

    Raises BadManifest for a manifest or a chunk that cannot be read, ModelError as the model does,
    OSError if the predictions cannot be written.
    """
    folder, manifest = manifest_file.parent, Manifest.read(manifest_file)
    chunk = manifest.chunk(number)
    params = checked(model.info.params, manifest.params, defaults={})
    rows = list(outcomes(model, [read_chunk(folder, chunk)], params, on_away=on_away))
    rows.sort(key=lambda row: row.number)
    write_predictions(folder, chunk, rows)
    predicted = sum(isinstance(row.outcome, Prediction) for row in rows)
    return Predicted(chunk=number, predicted=predicted, rejects=len(rows) - predicted)


def outcomes(
    model: Predictor,
    groups: Iterable[Sequence[SourceRow]],
    params: Mapping[str, Any],
    *,
    goes_on: Callable[[], bool] = lambda: True,
    on_away: Callable[[bool], object] = lambda is_away: None,
) -> Iterator[JobRow]:
    """The outcome of each row, the rows of a group in any order; `params` are all of the task.

    Ends soon once `goes_on` returns False. Raises ModelError as `predict_each` does.
    """
    refused: list[JobRow] = []
    left, is_over = iter(groups), False

    def asked() -> Iterator[tuple[SourceRow, str, Mapping[str, Any]]]:
        nonlocal is_over
        for group in left:
            refused.extend(_outcome(row, row.problem) for row in group if row.problem)
            # Texts of like length are neighbours in the queue, however far it looks ahead.
            for row in sorted((row for row in group if not row.problem), key=_length):
                yield row, row.text, params
            if len(refused) >= MOST_REFUSED:
                return  # or a source of bad rows alone would be in memory before one is stored
        is_over = True

    contents = Contents()
    while goes_on() and not is_over:
        for row, result in predict_each(model, asked(), goes_on=goes_on, on_away=on_away):
            yield from refused
            refused.clear()
            if isinstance(result, Prediction):
                # By the parameters asked for: a seed that is drawn for each text is not among them.
                yield _outcome(row, result, contents.of(row.text, params))
            else:
                yield _outcome(row, str(result))
        yield from refused
        refused.clear()


def _length(row: SourceRow) -> int:
    return len(row.text)


def _outcome(row: SourceRow, outcome: Prediction | str, content: int | None = None) -> JobRow:
    return JobRow(
        place=row.place,
        number=row.number,
        key=row.key,
        text=row.text,
        outcome=outcome,
        excerpt=row.content,
        content=content,
    )
