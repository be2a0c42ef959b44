"""python -m jobs.batch: many texts into the log, in one go or step by step."""

import argparse
import errno
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

from errors import TryoutError, Unavailable
from feedback import FeedbackLog
from feedback.jobs import Stored
from feedback.jobs.drift import Drift, sentences
from feedback.records import ModelRevision
from files.sources import Source, open_query, open_source
from jobs.batch.arguments import parser
from jobs.batch.chunks import Manifest
from jobs.batch.errors import BatchError
from jobs.batch.messages import one_line_each
from jobs.batch.plan import Plan, Stale
from jobs.batch.predicting import predict
from jobs.batch.preparing import prepare
from jobs.batch.progress import shown
from jobs.batch.reporting import export, status, write_rejects
from jobs.batch.running import Run, RunCounts, estimate, made_by
from jobs.batch.storing import store
from model import Model, ModelError, ModelLoadError, ModelUnreachable, Predictor, make_predictor
from model.exported import is_export
from model.machine import prepare_server
from model.prediction import now
from settings import Settings, load_settings, service_settings

logger = logging.getLogger("tryout.jobs.batch")

REJECTED, CANNOT_RUN, DRIFTED = 1, 2, 3
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 143}  # as of a process that the signal ends


def main() -> int:
    """Runs a step; exits with 0, or as docs/batch-jobs.md says."""
    given = parser().parse_args()
    prepare_server()
    logging.basicConfig(handlers=[one_line_each()], level=logging.WARNING)
    if not sys.stderr.isatty():  # the bars of a model's load are for people
        os.environ.setdefault("TQDM_DISABLE", "1")
    step = {
        "run": _run,
        "prepare": _prepare,
        "predict": _predict,
        "store": _store,
        "status": _status,
        "export": _export,
    }[given.step]
    try:
        with ExitStack() as stack:
            return step(given, load_settings(), stack)
    except TryoutError as error:
        print(error, file=sys.stderr)
        return error.exit_code if isinstance(error, Unavailable) else CANNOT_RUN
    except OSError as error:
        print(_without_space(error), file=sys.stderr)
        return CANNOT_RUN
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED[signal.SIGINT]
    except Exception as error:
        logger.exception("The job failed")
        print(f"The job failed: {error!r}.", file=sys.stderr)
        return CANNOT_RUN


# --- the steps ------------------------------------------------------------------------------------


def _run(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    plan, log = _plan(given), _log(given, settings, stack)
    source = _source(given)
    name = _name(given, source)
    model = _loaded(given, settings, stack)
    max_chars = settings.limits.max_chars
    if given.dry_run:
        would = estimate(source, log, model, plan, name=name, max_chars=max_chars)
        _answer(
            f"{name}: {would.read.rows:,} rows, of which {would.read.problems:,} cannot be "
            f"predicted; {would.wanted:,} would be predicted, in about {would.seconds:,.0f} s "
            f"at {would.texts_per_s:,.0f} texts a second. Nothing is stored."
        )
        return 0
    run = Run(source, log, model, plan, name=name)
    ended_by: list[int] = []

    def stop(number: int) -> None:
        ended_by.append(number)
        run.stop()

    try:
        with _signals(stop), shown(run.counts, source.share_read):
            counts = run.run(max_chars=max_chars)
    except Unavailable as error:
        if not ended_by:
            raise
        print(f"Stopped while it waited. {error}", file=sys.stderr)
        return INTERRUPTED[signal.Signals(ended_by[0])]
    if given.rejects:
        write_rejects(log, name, given.rejects)
    _answer(_in_words(name, counts, plan))
    if counts.stopped:
        return INTERRUPTED[signal.Signals(ended_by[0])]
    code = _code(given, counts.stored)
    if code or given.max_drift is None:
        return code
    return _drift_code(given, status(log, name, model=None).drift)


def _prepare(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    plan, log = _plan(given), _log(given, settings, stack)
    source = _source(given)
    needs_model = plan.only_new or plan.stale
    model = _identity(_predictor(given, settings), stack) if needs_model else None
    with _signals(_end):
        manifest = prepare(
            source,
            given.into,
            log,
            plan,
            name=_name(given, source),
            max_chars=settings.limits.max_chars,
            model=model,
            chunk_rows=given.chunk_rows,
        )
    print(
        f"{manifest.name}: {manifest.rows:,} rows read, {len(manifest.chunks):,} chunks.",
        file=sys.stderr,
    )
    _answer(json.dumps([chunk.number for chunk in manifest.chunks]))
    return 0


def _predict(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    Manifest.read(given.manifest).chunk(given.chunk)  # before a load that takes seconds
    model = _loaded(given, settings, stack)
    with _signals(_end):
        predicted = predict(given.manifest, given.chunk, model, on_away=_say_model_away)
    _answer(json.dumps(asdict(predicted)))
    return 0


def _store(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    log = _log(given, settings, stack)
    stopped = threading.Event()

    def stop(number: int) -> None:
        stopped.set()  # ends a wait for a log that is away
        _end(number)

    with _signals(stop):
        counts = store(given.manifest, log, stop=stopped, on_away=_say_once())
    _answer(json.dumps(asdict(counts)))
    return _code(given, counts)


def _status(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    log = _log(given, settings, stack)
    model = None
    try:
        model = _identity(_predictor(given, settings), stack)
    except ModelError as error:
        print(f"It is not known which predictions are stale: {error}", file=sys.stderr)
    current = status(log, given.name, model=model)
    _answer(json.dumps(current.as_json()) if given.json else str(current))
    return _drift_code(given, current.drift)


def _export(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> int:
    export(_log(given, settings, stack), given.name, given.out)
    print(f"The predictions of {given.name} are in {given.out}.", file=sys.stderr)
    return 0


# --- what the steps need --------------------------------------------------------------------------


def _plan(given: argparse.Namespace) -> Plan:
    try:
        params = json.loads(given.params)
    except ValueError as error:
        raise BatchError(
            f"--params is {given.params!r:.100}, which is no JSON: {error}."
        ) from error
    if not isinstance(params, dict):
        raise BatchError(f'--params is {given.params!r:.100}; it must be like {{"top_k": 3}}.')
    return Plan(
        params=params,
        only_new=given.only_new,
        stale=None if given.stale is None else Stale.parsed(given.stale, now()),
        on_duplicate=given.on_duplicate,
        limit=given.limit,
    )


def _source(given: argparse.Namespace) -> Source:
    """The files or the query; raises ReadingError, or BatchError if it is both or neither."""
    if any(given.source) == bool(given.query):  # "" is what a variable without a value gives
        raise BatchError("Name the files to read, or --query with --from, and not both.")
    if bool(given.query) != bool(given.from_):
        raise BatchError("--query needs --from, the URL of its database, and --from a --query.")
    columns = {"text_column": given.text_column, "key_column": given.key}
    if given.query:
        return open_query(given.query, given.from_, on_away=_say_database_away, **columns)
    return open_source(given.source, **columns)


def _name(given: argparse.Namespace, source: Source) -> str:
    """The name of the job: as given, else the source's with the date."""
    return given.name or f"{source.name} {now():%Y-%m-%d}"


def _log(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> FeedbackLog:
    log = FeedbackLog(given.to or settings.log_url)
    stack.callback(log.close)
    return log


def _loaded(given: argparse.Namespace, settings: Settings, stack: ExitStack) -> Predictor:
    model = _predictor(given, settings)
    stack.callback(model.close)
    try:
        model.load()
    except ModelLoadError as error:
        if isinstance(error.__cause__, ModelUnreachable):
            raise error.__cause__ from None  # which a workflow tool tries again
        raise
    return model


def _identity(model: Predictor, stack: ExitStack) -> ModelRevision:
    """The id and the revision of a model, of one in this process without loading it."""
    if isinstance(model, Model):
        return ModelRevision(model.model_id, model.inspect().revision)
    stack.callback(model.close)
    model.load()
    return made_by(model)


def _predictor(given: argparse.Namespace, settings: Settings) -> Predictor:
    """The model that is named, else that of the settings; not loaded."""
    chosen = settings.model
    if given.url:
        if given.model or given.revision or given.runtime:
            raise BatchError("--url names a service, which has its own model. Give --url alone.")
        chosen = service_settings(given.url, token=chosen.token)
    elif given.model:
        chosen = chosen.for_model(given.model, given.revision)
        runtime = given.runtime or ("onnx" if is_export(given.model) else "torch")
        chosen = chosen.model_copy(update={"runtime": runtime})
    elif given.revision or given.runtime:
        changes = {"revision": given.revision, "runtime": given.runtime}
        chosen = chosen.model_copy(update={k: v for k, v in changes.items() if v})
    return make_predictor(**chosen.arguments(params=settings.parameters))


def _code(given: argparse.Namespace, counts: Stored) -> int:
    if counts.rejects <= given.allow_rejects:
        return 0
    print(
        f"{counts.rejects:,} rows are rejected, and {given.allow_rejects:,} may be.",
        file=sys.stderr,
    )
    return REJECTED


def _drift_code(given: argparse.Namespace, drift: Drift | None) -> int:
    if given.max_drift is None or drift is None or drift.effect <= given.max_drift:
        return 0
    print(
        f"{' '.join(sentences(drift))} The effect size is {drift.effect:.2f}, and at most "
        f"{given.max_drift:g} is allowed.",
        file=sys.stderr,
    )
    return DRIFTED


def _in_words(name: str, counts: RunCounts, plan: Plan) -> str:
    stored = counts.stored
    # With --stale also a row that was never predicted is left alone.
    left = "left alone" if plan.stale or plan.only_new else "were there"
    parts = [f"{stored.new:,} stored"]
    if stored.replaced:
        parts.append(f"{stored.replaced:,} renewed")
    parts += [f"{counts.there + stored.same:,} {left}", f"{stored.rejects:,} rejects"]
    if counts.read.duplicates:
        parts.append(f"{counts.read.duplicates:,} duplicate keys")
    ending = " Stopped; run it again to go on." if counts.stopped else ""
    return f"{name}: {counts.read.rows:,} rows read: {', '.join(parts)}.{ending}"


def _answer(text: str) -> None:
    """Prints on standard output; what was done does not fail because nobody reads of it."""
    if sys.stdout is None:  # closed before the start
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _without_space(error: OSError) -> str:
    """The sentence for a file that cannot be written."""
    file = error.filename2 or error.filename
    remedy = "Name another place, or make this one fit to be written."
    if error.errno is None or error.errno in NO_SPACE:
        remedy = "Free some space, or name another place."
    return f"{f'{file}: ' if file else ''}{error.strerror or error}. {remedy}"


def _say_once() -> Callable[[str], None]:
    """A function that prints each reason for a wait once."""
    last = [""]

    def say(reason: str) -> None:
        if reason and reason != last[0]:
            print(f"Waiting: {reason}", file=sys.stderr, flush=True)
        last[0] = reason

    return say


def _say_database_away(is_away: bool) -> None:
    _say_away("The database of the query", is_away)


def _say_model_away(is_away: bool) -> None:
    _say_away("The model's service", is_away)


def _say_away(name: str, is_away: bool) -> None:
    state = "is away; it is tried again." if is_away else "is back."
    print(f"{name} {state}", file=sys.stderr, flush=True)


def _end(number: int) -> None:
    sys.exit(INTERRUPTED[signal.Signals(number)])


@contextmanager
def _signals(on_signal: Callable[[int], None]) -> Iterator[None]:
    """SIGTERM and the first SIGINT call the function while the block runs; a second one ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        on_signal(number)

    former: dict[int, Any] = {number: signal.signal(number, handle) for number in INTERRUPTED}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    # A TextIO has no `reconfigure`; the stdout of a command is a TextIOWrapper, which has.
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
