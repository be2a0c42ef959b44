"""The owner's function that changes a text before the model reads it, within a second.

Knows no task, tokenizer or model. The function is code of the repository, and is run as such.
"""

import ctypes
import hashlib
import importlib.abc
import importlib.util
import logging
import sys
import threading
import time
import traceback
import unicodedata
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

from model.errors import InputError, ModelLoadError
from model.sources import HOME
from model.text import BLANK

logger = logging.getLogger(f"tryout.{__name__}")

LIMIT_S = 1.0  # for a text
MAX_READ_CHARS = 1_000_000  # that the function may return


@dataclass(frozen=True, slots=True)
class Source:
    """The file of a function `name`, such as "cleaning.tweets:clean", as it is now."""

    name: str
    path: Path
    content: bytes

    @property
    def digest(self) -> str:
        """The first 8 hex digits of a SHA-256 over the file and the function's name."""
        function_name = self.name.partition(":")[2]
        return hashlib.sha256(self.content + f"\n{function_name}".encode()).hexdigest()[:8]

    def revision(self, model_revision: str) -> str:
        """The revision of a model that reads what the function returns."""
        return f"{model_revision}+{self.digest}"


def find_source(name: str) -> Source:
    """The file of a function, looked up like a model's folder; runs nothing.

    Raises ModelLoadError if there is none, or if it cannot be read.
    """
    module, _, function = name.partition(":")
    if not function or not all(part.isidentifier() for part in (*module.split("."), function)):
        raise ModelLoadError(
            f"preprocess is {name!r}; it must be a module and a function of it, like "
            '"preprocess:clean".'
        )
    relative = Path(*module.split(".")).with_suffix(".py")
    path = next((path for path in (relative, HOME / relative) if path.is_file()), None)
    if path is None:
        raise ModelLoadError(
            f"preprocess is {name!r}, and there is no file {relative} beside app.toml. Write it "
            "there, or correct its name."
        )
    try:
        return Source(name, path, path.read_bytes())
    except OSError as error:
        raise ModelLoadError(f"{relative} cannot be read: {error.strerror}.") from error


class Preprocess:
    """A function from text to text, which all threads may call."""

    def __init__(self, source: Source) -> None:
        """Runs the file and takes the function from it; raises ModelLoadError."""
        self.source = source
        self._function = _function_in(source)
        self._idle: deque[_Worker] = deque()
        self._refusal = ""
        weakref.finalize(self, _end_all, self._idle)

    @property
    def name(self) -> str:
        """The function's name, with its module."""
        return self.source.name

    def read(self, texts: Sequence[str]) -> list[str]:
        """The texts as the model reads them, in their order.

        Raises InputError for the first text on which the function fails, or for which it returns
        no text or takes over a second; after that it is not called any more.
        """
        if self._refusal:
            raise InputError(self._refusal)
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._function, self.name)
        call = _Call(texts)
        waited_s = worker.waits_for(call)
        if waited_s:
            raise self._refused(call, f"had not returned after {waited_s:.1f} s")
        self._idle.append(worker)
        if call.took_s:
            raise self._refused(call, f"took {call.took_s:.1f} s")
        if call.error:
            raise InputError(call.error)
        return call.read

    def _refused(self, call: "_Call", taken: str) -> InputError:
        """The error of a text that takes too long, and from now on of all texts."""
        self._refusal = (
            f"The function {self.name!r} {taken} for a text of {len(call.text):,} characters, and "
            f"{LIMIT_S:.0f} s is allowed, so it is not called any more. Its owner can make it "
            "faster and load the model anew."
        )
        logger.error("%s", self._refusal)
        return InputError(self._refusal)


@dataclass(slots=True)
class _Call:
    """Texts on their way through the function.

    `started_s` is the time at which the function began with the text that it has now, by
    time.perf_counter; `took_s` the time in which it returned, if that was too long.
    """

    texts: Sequence[str]
    read: list[str] = field(default_factory=list)
    error: str = ""
    started_s: float | None = None
    took_s: float = 0.0
    is_abandoned: bool = False

    @property
    def text(self) -> str:
        """The text that the function has now, or had last."""
        return self.texts[min(len(self.read), len(self.texts) - 1)]

    def run(self, function: Callable[[str], Any], name: str) -> None:
        """Calls the function with each text, until it fails or takes too long."""
        for text in self.texts:
            started_s = self.started_s = time.perf_counter()
            try:
                result = function(text)
            except BaseException as error:  # noqa: BLE001 - sys.exit() must not end the thread
                if not self.is_abandoned:
                    self.error = _failed(name, error)
                return
            took_s = time.perf_counter() - started_s
            if took_s > LIMIT_S:
                self.took_s = took_s
                return
            self.error = _problem(name, result)
            if self.error:
                return
            self.read.append(str(result))


class _Worker:
    """A thread that calls the function, so that no caller waits for over a second.

    It has one call at a time. One that was abandoned ends as soon as Python code runs in it.
    """

    def __init__(self, function: Callable[[str], Any], name: str) -> None:
        self._asked: SimpleQueue[_Call | None] = SimpleQueue()
        self._answered: SimpleQueue[_Call] = SimpleQueue()
        arguments = (function, name, self._asked, self._answered)  # not the worker itself
        self._thread = threading.Thread(
            target=_work, args=arguments, name="preprocess", daemon=True
        )
        self._thread.start()

    def waits_for(self, call: _Call) -> float:
        """Runs a call; 0.0 once it is done, or the seconds after which it was abandoned."""
        self._asked.put(call)
        left_s = LIMIT_S
        while True:
            try:
                self._answered.get(timeout=left_s)
                return 0.0
            except Empty:
                started_s = call.started_s
                has_s = 0.0 if started_s is None else time.perf_counter() - started_s
                left_s = LIMIT_S - has_s
                if left_s <= 0:
                    call.is_abandoned = True
                    self._interrupt()
                    self.end()  # if it has finished at this very moment
                    return has_s

    def end(self) -> None:
        """Ends the thread once it has no call."""
        self._asked.put(None)

    def _interrupt(self) -> None:
        """Raises SystemExit in the thread, at the next Python code that it runs.

        See https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc.
        """
        ident = ctypes.c_ulong(self._thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))


def _work(
    function: Callable[[str], Any],
    name: str,
    asked: "SimpleQueue[_Call | None]",
    answered: "SimpleQueue[_Call]",
) -> None:
    while call := asked.get():
        call.run(function, name)
        if call.is_abandoned:
            return
        answered.put(call)
        del call  # its texts


def _end_all(workers: "deque[_Worker]") -> None:
    for worker in workers:
        worker.end()


def _failed(name: str, error: BaseException) -> str:
    """The sentence for an error of the function, which is logged without its message.

    The message may have the visitor's text in it.
    """
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    logger.error("The function %s raised %s in line %d", name, kind, frames[-1].lineno or 0)
    reason = " ".join(str(error).split())[:200].rstrip(".")
    return (
        f"The function {name!r}, which reads the text first, failed on it with {kind}"
        f"{f' ({reason})' if reason else ''}. Try another text; the log has the line for its owner."
    )


def _problem(name: str, result: Any) -> str:
    """The sentence for a value that cannot be read in place of the text; "" if it can be."""
    if not isinstance(result, str):
        return (
            f"The function {name!r}, which reads the text first, returned a value of type "
            f"{type(result).__name__} for it. Its owner can have it return a text."
        )
    if len(result) > MAX_READ_CHARS:
        return (
            f"The function {name!r}, which reads the text first, made {len(result):,} characters "
            f"of it and the limit is {MAX_READ_CHARS:,}. Shorten the text."
        )
    if all(unicodedata.category(character) in BLANK for character in result):
        return (
            f"The function {name!r}, which reads the text first, left nothing of it to predict. "
            "Try another text."
        )
    return ""


class _Loader(importlib.abc.ExecutionLoader):
    """Makes a module of the bytes that were hashed: no cached bytecode, no second reading."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self._source.content)

    def get_filename(self, fullname: str) -> str:
        return str(self._source.path)


def _function_in(source: Source) -> Callable[[str], Any]:
    function_name = source.name.partition(":")[2]
    try:
        module = _run(source)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()).rstrip(".") or "no reason given"
        raise ModelLoadError(
            f"{source.path.name}, which preprocess names, fails when it is imported: "
            f"{type(error).__name__}: {reason:.300}. Correct it."
        ) from error
    function = getattr(module, function_name, None)
    if function is None:
        names = ", ".join(_functions(module)) or "none"
        raise ModelLoadError(
            f"preprocess is {source.name!r}, and {source.path.name} has no function "
            f"{function_name}. Its functions: {names}."
        )
    if not callable(function):
        raise ModelLoadError(
            f"preprocess is {source.name!r}, and {function_name} in {source.path.name} is a "
            f"{type(function).__name__}. Name a function that takes a text and returns a text."
        )
    return function  # type: ignore[no-any-return]  # its type is checked with each text


def _run(source: Source) -> ModuleType:
    """The module, run anew; under a name of its own, so that it is in the place of no other."""
    name = f"preprocess_{source.digest}"
    spec = importlib.util.spec_from_loader(name, _Loader(source))
    if spec is None or spec.loader is None:
        raise ImportError(f"no module can be made of {source.path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there for their module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _functions(module: ModuleType) -> list[str]:
    names = (name for name, value in vars(module).items() if callable(value))
    return sorted(name for name in names if not name.startswith("_"))
