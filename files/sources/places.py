"""The files of a source, from names and globs; standard input becomes a temporary file."""

import glob
import io
import os
import stat
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from files.errors import ReadingError

STANDARD_INPUT = "-"
_MOST_NAMES = 3  # in a sentence
_COPIED_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A file: its path as given, the label that differs from those of the others, its copy.

    What can be read only once, such as standard input, has a copy.
    """

    path: str
    label: str
    copy: "Spool | None" = None

    def open(self) -> BinaryIO:
        """The file, from its beginning; raises ReadingError."""
        try:
            return self.copy.open() if self.copy else open(self.path, "rb")
        except OSError as error:
            raise unreadable(self.label, error) from error

    def size_bytes(self) -> int:
        """The size of the file, 0 if it is not there any more."""
        try:
            return self.copy.size_bytes() if self.copy else os.path.getsize(self.path)
        except OSError:
            return 0


class Spool:
    """A copy of a stream in a temporary file, which has no name and goes with the process."""

    def __init__(self, stream: IO[bytes], label: str) -> None:
        """Reads the stream to its end; raises ReadingError, for one if the disk is full."""
        self._lock = threading.Lock()
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the spool is
            while block := stream.read(_COPIED_BYTES):
                self._file.write(block)
            self._file.flush()
        except OSError as error:
            raise ReadingError(
                f"{label} cannot be copied to {tempfile.gettempdir()} ({error.strerror}). "
                "Make room there, or set TMPDIR to a folder that has some."
            ) from error

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Copy(self))

    def read_at(self, place: int, size_bytes: int) -> bytes:
        with self._lock:
            self._file.seek(place)
            return self._file.read(size_bytes)

    def size_bytes(self) -> int:
        with self._lock:
            return self._file.seek(0, os.SEEK_END)


class _Copy(io.RawIOBase):
    """A reader of a spool with a place of its own."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place}.get(whence)
        self._place = (self._spool.size_bytes() if start is None else start) + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        data = self._spool.read_at(self._place, len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


def places_of(paths: Sequence[str]) -> list[Place]:
    """The files that the names and globs stand for: in the order given, sorted within a glob.

    Raises ReadingError if one is not there, or named twice, or no file.
    """
    if not paths:
        raise ReadingError('No file is named. Name one or more, or "-" for standard input.')
    named = [path for given in paths for path in _files(given)]
    counts = Counter(map(_real, named))
    twice = [path for path, count in counts.items() if count > 1]
    if twice:
        raise ReadingError(f"{_listed(twice)} is named twice. Name each file once.")
    bases = Counter(os.path.basename(path) for path in named)
    return [
        _place(path, base if bases[base := os.path.basename(path)] == 1 else path) for path in named
    ]


def _real(path: str) -> str:
    """The path by which a file is known, whatever links lead to it."""
    if path == STANDARD_INPUT:
        return path
    try:
        return os.path.realpath(path)
    except ValueError as error:  # a NUL in it
        raise unreadable(path, error) from error


def _files(given: str) -> list[str]:
    """The files of a name or a glob; a file whose name looks like a glob is a file."""
    if given == STANDARD_INPUT or os.path.lexists(given) or not glob.has_magic(given):
        return [given]
    matches = [path for path in sorted(glob.glob(given, recursive=True)) if not os.path.isdir(path)]
    if not matches:
        raise ReadingError(f"No file matches {given}. Check the folder and the pattern.")
    return matches


def _place(path: str, label: str) -> Place:
    if path == STANDARD_INPUT:
        if sys.stdin is None:
            raise ReadingError("Standard input is closed. Pipe the rows into it, or name a file.")
        return Place(path, "standard input", Spool(sys.stdin.buffer, "Standard input"))
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise ReadingError(f"{label} is a folder. Name its files, as {path.rstrip('/')}/*.csv.")
        if stat.S_ISREG(mode):
            return Place(path, label)
        with open(path, "rb") as stream:  # a pipe, as of <(…) in a shell
            return Place(path, label, Spool(stream, label))
    except (OSError, ValueError) as error:
        raise unreadable(label, error) from error


def unreadable(label: str, error: OSError | ValueError) -> ReadingError:
    """The error for a file that the system does not give out."""
    if isinstance(error, FileNotFoundError):
        return ReadingError(f"There is no file {label}. Check its name and folder.")
    if isinstance(error, PermissionError):
        return ReadingError(f"{label} may not be read by this user. Change its permissions.")
    reason = getattr(error, "strerror", None) or str(error)
    return ReadingError(f"{label} cannot be read ({reason}).")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
