"""The files of a job that is run step by step: a manifest, chunks of rows, their predictions.

A file is written beside its place and renamed into it, so that it is whole or not there. Knows
neither the log nor the model: rows in, rows and predictions out, as Parquet
(https://parquet.apache.org/docs/file-format).
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from feedback.jobs import JobRow
from feedback.records import compact_json
from files.escape import storable, unstorable
from files.sources import SourceRow
from jobs.batch.errors import BadManifest, BatchError
from model import Prediction
from model.prediction import output_from_json, output_to_json

VERSION = 1
MANIFEST, CHUNKS, PREDICTIONS = "manifest.json", "chunks", "predictions"
DIGEST = b"tryout_chunk"  # the key of a chunk's digest in the metadata of its predictions

_ROW = pa.schema(
    [
        ("place", pa.string()),
        ("number", pa.int64()),
        ("key", pa.string()),
        ("text", pa.string()),
        ("problem", pa.string()),
        ("excerpt", pa.string()),
    ]
)
_PREDICTED = pa.schema(
    [
        *_ROW,
        ("content", pa.int64()),  # see feedback.jobs.content_of; null as the next ones
        ("id", pa.string()),  # null for a row without a prediction
        ("created_at", pa.string()),
        ("task", pa.string()),
        ("model_id", pa.string()),
        ("model_revision", pa.string()),
        ("runtime", pa.string()),
        ("params", pa.string()),
        ("output", pa.string()),
        ("truncated", pa.bool_()),
        ("queue_ms", pa.float64()),
        ("inference_ms", pa.float64()),
        ("read", pa.string()),
    ]
)
_TEXTS = ("place", "key", "text", "problem", "excerpt")
_OURS = re.compile(r"\d{5,}\.parquet|\.\d{5,}\.parquet\.\w+\.part")  # files that are removed again


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of rows: its number, its number of rows, and the SHA-256 of its file."""

    number: int
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The job that a folder of chunks belongs to.

    `renewed_before` is the instant before which a prediction is made again (see `Plan`).
    """

    name: str
    source: str
    source_kind: str
    text_column: str
    key_column: str
    params: Mapping[str, Any]
    rows: int
    duplicates: int
    renewed_before: datetime | None
    chunks: tuple[Chunk, ...]

    def write(self, folder: Path) -> None:
        """Writes the manifest into its folder; raises OSError."""
        values = asdict(self) | {"version": VERSION}
        text = json.dumps(values, indent=2, default=datetime.isoformat)
        in_place(folder / MANIFEST, lambda file: file.write_text(text + "\n", encoding="utf-8"))

    @classmethod
    def read(cls, file: Path) -> "Manifest":
        """The manifest in a file that `prepare` wrote; raises BadManifest."""
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            version = values.pop("version")
            if version != VERSION:
                raise BadManifest(f"{file} is of version {version!r}; prepare the source anew.")
            chunks = tuple(Chunk(**chunk) for chunk in values.pop("chunks"))
            before = values.pop("renewed_before")
            before = datetime.fromisoformat(before) if before else None
            return cls(chunks=chunks, renewed_before=before, **values)
        except OSError as error:
            raise BadManifest(
                f"{file} cannot be read: {error.strerror}. Name the {MANIFEST} that prepare wrote."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadManifest(
                f"{file} is not a manifest of this version ({error!r:.100}). Prepare the source "
                "anew."
            ) from error

    def chunk(self, number: int) -> Chunk:
        """The chunk of that number; raises BadManifest if there is none."""
        if not 0 <= number < len(self.chunks):
            there = f"0 to {len(self.chunks) - 1}" if self.chunks else "none"
            raise BadManifest(f"There is no chunk {number} of {self.name!r}; there are {there}.")
        return self.chunks[number]


def clear(folder: Path) -> None:
    """Removes the manifest, the chunks and the predictions of a folder, and nothing else in it.

    Raises BatchError if a file in the place of the manifest is none, OSError if a file cannot be
    removed.
    """
    manifest = folder / MANIFEST
    if manifest.exists() and not _is_manifest(manifest):
        raise BatchError(f"{manifest} is there, and no job wrote it. Name another folder.")
    manifest.unlink(missing_ok=True)
    for part in (folder / CHUNKS, folder / PREDICTIONS):
        files = part.iterdir() if part.is_dir() else ()
        for file in files:
            if _OURS.fullmatch(file.name):
                file.unlink(missing_ok=True)


def _is_manifest(file: Path) -> bool:
    """True for a manifest of any version."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"version", "chunks", "text_column"} <= values.keys()


def write_chunk(folder: Path, number: int, rows: Sequence[SourceRow]) -> Chunk:
    """Writes rows as a chunk of the folder; raises OSError."""
    columns: dict[str, list[Any]] = {
        "place": [storable(row.place) for row in rows],
        "number": [row.number for row in rows],
        "key": [storable(row.key) for row in rows],
        "text": [storable(row.text) for row in rows],
        "problem": [storable(row.problem) for row in rows],
        "excerpt": [storable(row.content) for row in rows],
    }
    file = _file(folder / CHUNKS, number)
    in_place(file, lambda part: pq.write_table(pa.table(columns, schema=_ROW), part))
    return Chunk(number, len(rows), _digest(file))


def read_chunk(folder: Path, chunk: Chunk) -> list[SourceRow]:
    """The rows of a chunk; raises BadManifest if its file is not the one that was prepared."""
    file = _file(folder / CHUNKS, chunk.number)
    try:
        is_same = _digest(file) == chunk.digest
    except OSError as error:
        raise BadManifest(
            f"{file} cannot be read: {error.strerror}. Prepare the source anew."
        ) from error
    if not is_same:
        raise BadManifest(f"{file} is not the chunk that was prepared. Prepare the source anew.")
    return [
        SourceRow(
            place=row["place"],
            number=row["number"],
            key=row["key"],
            text=row["text"],
            problem=row["problem"],
            content=row["excerpt"],
        )
        for row in _read(file, _ROW)
    ]


def write_predictions(folder: Path, chunk: Chunk, rows: Sequence[JobRow]) -> None:
    """Writes the outcomes of a chunk's rows; raises OSError."""
    table = pa.Table.from_pylist([_predicted_values(row) for row in rows], schema=_PREDICTED)
    table = table.replace_schema_metadata({DIGEST: chunk.digest})
    file = _file(folder / PREDICTIONS, chunk.number)
    in_place(file, lambda part: pq.write_table(table, part))


def has_predictions(folder: Path, chunk: Chunk) -> bool:
    """True if the predictions of a chunk are there and whole."""
    file = _file(folder / PREDICTIONS, chunk.number)
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return bool(metadata.get(DIGEST) == chunk.digest.encode())


def read_predictions(folder: Path, chunk: Chunk) -> list[JobRow]:
    """The outcomes of a chunk's rows; raises BadManifest if they are missing or of others."""
    file = _file(folder / PREDICTIONS, chunk.number)
    if not has_predictions(folder, chunk):
        raise BadManifest(
            f"The predictions of chunk {chunk.number} are missing, damaged or of other rows. Run "
            f"python -m jobs.batch predict {folder / MANIFEST} {chunk.number}, then store again."
        )
    return [_job_row(row) for row in _read(file, _PREDICTED)]


def in_place(file: Path, write: Callable[[Path], object]) -> None:
    """Writes a file under another name and renames it, so that it is whole or not there.

    Raises OSError if it cannot be written; then nothing is left of it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not the process's number: that is 1 in every container that shares the folder.
    part = file.with_name(f".{file.name}.{uuid4().hex}.part")
    try:
        write(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05}.parquet"


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read(file: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    try:
        rows = pq.read_table(file, schema=schema).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise BadManifest(
            f"{file} cannot be read: {str(error)[:200]}. Prepare the source anew."
        ) from error
    return [row | {name: unstorable(row[name]) for name in _TEXTS} for row in rows]


def _predicted_values(row: JobRow) -> dict[str, Any]:
    outcome = row.outcome
    values: dict[str, Any] = {
        "place": storable(row.place),
        "number": row.number,
        "key": storable(row.key),
        "text": storable(row.text),
        "problem": "" if isinstance(outcome, Prediction) else storable(outcome),
        "excerpt": storable(row.excerpt),
    }
    if isinstance(outcome, Prediction):
        values |= {
            "content": row.content,
            "id": str(outcome.id),
            "created_at": outcome.created_at.isoformat(),
            "task": outcome.task,
            "model_id": outcome.model_id,
            "model_revision": outcome.model_revision,
            "runtime": outcome.runtime,
            "params": compact_json(dict(outcome.params)),
            "output": compact_json(output_to_json(outcome.output)),
            "truncated": outcome.truncated,
            "queue_ms": outcome.queue_ms,
            "inference_ms": outcome.inference_ms,
            "read": None if outcome.read is None else storable(outcome.read),
        }
    return values


def _job_row(row: Mapping[str, Any]) -> JobRow:
    outcome: Prediction | str = row["problem"]
    if row["id"] is not None:
        same = ("task", "model_id", "model_revision", "runtime", "truncated")
        outcome = Prediction(
            id=UUID(row["id"]),
            created_at=datetime.fromisoformat(row["created_at"]),
            params=json.loads(row["params"]),
            input=row["text"],
            output=output_from_json(json.loads(row["output"])),
            queue_ms=row["queue_ms"],
            inference_ms=row["inference_ms"],
            read=None if row["read"] is None else unstorable(row["read"]),
            **{name: row[name] for name in same},
        )
    return JobRow(
        place=row["place"],
        number=row["number"],
        key=row["key"],
        text=row["text"],
        outcome=outcome,
        excerpt=row["excerpt"],
        content=row["content"],
    )
