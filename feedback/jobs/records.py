"""The values of jobs: a job, outcomes of its rows, stored predictions, rejects. Knows no database.

A job predicts the rows of a source under one name. Each row has a key, and each key has the
versions of its prediction, of which the newest counts.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from feedback.records import Entry
from model.prediction import Prediction

State = Literal["prepared", "running", "done", "interrupted", "failed"]

MAX_NAME_CHARS = 200  # of a job; an index of PostgreSQL takes 2,704 bytes, and some characters are
MAX_KEY_CHARS = 500  # stored as five of them (see files.escape)
EXCERPT_CHARS = 200  # of a row that is rejected
_TEXT_BYTES, _PARAMS_BYTES = 5, 3  # of a content


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it was when it was read from the log.

    `batch_id` is the id by which the pages know it. `key_column` is "" if the key of a row is its
    place. `source_kind` is the same for the files of each week. `rows` and `rejects` are those of
    the last run, `stored` is the number of predictions with every version of each key.
    """

    number: int
    batch_id: UUID
    name: str
    source: str
    source_kind: str
    text_column: str
    key_column: str
    params: Mapping[str, Any]
    state: State
    rows: int
    rejects: int
    stored: int
    created_at: datetime
    updated_at: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A row of a source with its outcome: a prediction, or the reason for none.

    `place` is for people, such as "b.csv:12"; `number` counts all rows from 0. `excerpt` of a row
    that could not be read is its beginning, "" for that of its text. `content` is that of the text
    and the parameters that were asked for; None if they are the prediction's own.
    """

    place: str
    number: int
    key: str
    text: str
    outcome: Prediction | str
    excerpt: str = ""
    content: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrediction:
    """A version of the prediction of a key; `place` is the number of its row, from 0."""

    key: str
    version: int
    place: int
    entry: Entry
    newest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The facts of a key's newest prediction by which a run decides if it makes another."""

    content: int
    model_id: str
    model_revision: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row without a prediction; `number` counts all rows from 0."""

    number: int
    place: str
    key: str
    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The numbers of rows that a call stored: new keys, those as before, those with a new version.

    `rejects` are the rows that were stored as such.
    """

    new: int = 0
    same: int = 0
    replaced: int = 0
    rejects: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(
            new=self.new + other.new,
            same=self.same + other.same,
            replaced=self.replaced + other.replaced,
            rejects=self.rejects + other.rejects,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of keys with a prediction, of those by another model than asked, of rejects.

    `oldest` and `newest` are the days (UTC) of the newest predictions; None without any.
    """

    stored: int
    stale: int
    rejects: int
    oldest: date | None
    newest: date | None


def content_of(text: str, params: Mapping[str, Any]) -> int:
    """The hash of a text and the parameters of its prediction, a signed 64-bit integer.

    The upper 40 bits are of the text alone, so that a text is found whatever its parameters were.
    """
    return Contents().of(text, params)


class Contents:
    """The contents of many texts, which mostly have the same parameters."""

    def __init__(self) -> None:
        self._params: Mapping[str, Any] = {}
        self._low_bits = _params_hash({})

    def of(self, text: str, params: Mapping[str, Any]) -> int:
        """The content of a text, as `content_of` has it."""
        if params != self._params:
            self._params, self._low_bits = params, _params_hash(params)
        return (_text_hash(text) << 8 * _PARAMS_BYTES) + self._low_bits


def contents_of(text: str) -> tuple[int, int]:
    """The least and the greatest content that a text has with any parameters."""
    first = _text_hash(text) << 8 * _PARAMS_BYTES
    return first, first + (1 << 8 * _PARAMS_BYTES) - 1


def _text_hash(text: str) -> int:
    """A signed integer of 40 bits."""
    return _hash(text, _TEXT_BYTES) - (1 << 8 * _TEXT_BYTES - 1)


def _params_hash(params: Mapping[str, Any]) -> int:
    return _hash(json.dumps(dict(params), sort_keys=True), _PARAMS_BYTES)


def _hash(text: str, size: int) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=size).digest())
