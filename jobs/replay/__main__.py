"""python -m jobs.replay: another model over the rated predictions, as a test of it."""

import argparse
import logging
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from errors import TryoutError
from feedback import FeedbackLog
from feedback.outcomes import Outcome, OutcomeCounts
from feedback.rated_set import rated
from jobs.numbers import positive_number, whole_number
from jobs.replay.report import are_comparable, printed, report
from jobs.replay.run import ReplayResult, as_json, replay
from model import Model, Predictor, make_predictor
from model.exported import is_export
from settings import Settings, load_settings

logger = logging.getLogger("tryout.jobs.replay")

LISTED = 20  # texts of one outcome that the command prints


def main() -> int:
    """Runs a model over the rated predictions of the log and compares with what reviewers said.

    Exits with 0 if it breaks no more than allowed, with 1 if it does, with 2 if it cannot be told.
    """
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.revision and not arguments.model:
        parser.error("--revision is of the model that --model names. Name it too.")
    try:
        settings = load_settings()
        model = _predictor(settings, arguments)
        with ExitStack() as stack:
            log = FeedbackLog(settings.log_url)
            stack.callback(log.close)
            model.load()
            stack.callback(model.close)
            return _compare(model, log, arguments)
    except TryoutError as error:
        return _cannot_tell(str(error))
    except OSError as error:
        file = arguments.out or "The result"
        return _cannot_tell(f"{file} cannot be written: {error.strerror}. Name another --out.")
    except KeyboardInterrupt:
        return _cannot_tell("Stopped.")
    except Exception as error:
        logger.exception("The replay failed")
        return _cannot_tell(f"The replay failed: {error!r}. That says nothing of the model.")


def _predictor(settings: Settings, arguments: argparse.Namespace) -> Predictor:
    """The model that is named, else the one of the settings, which can be behind a URL."""
    if arguments.model is None:
        return make_predictor(**settings.model.arguments())
    model_settings = settings.model.for_model(arguments.model, arguments.revision)
    exported = is_export(arguments.model)
    dtype = None if exported else model_settings.dtype
    runtime = "onnx" if exported else "torch"
    return Model(**model_settings.arguments(runtime=runtime, dtype=dtype))


def _cannot_tell(reason: str) -> int:
    """Prints the reason for which nothing can be told; returns the exit code."""
    print(reason, file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.replay", description=main.__doc__)
    parser.add_argument(
        "--model", metavar="ID", help="a folder or a Hub id (the model of app.toml)"
    )
    parser.add_argument("--revision", help="a branch, tag or commit on the Hub")
    parser.add_argument(
        "--allow-broken", type=whole_number, default=0, metavar="N", help="as many may break (0)"
    )
    parser.add_argument(
        "--newest", type=positive_number, metavar="N", help="only so many, the newest"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a JSONL of all of them")
    return parser


def _compare(model: Predictor, log: FeedbackLog, arguments: argparse.Namespace) -> int:
    score, left_out, info = OutcomeCounts(), Counter[str](), model.info
    listed: dict[Outcome, list[ReplayResult]] = {"broken": [], "fixed": []}
    predictions = rated(log, task=info.task, limit=arguments.newest)
    with ExitStack() as stack:
        out = None
        if arguments.out:
            out = stack.enter_context(arguments.out.open("w", encoding="utf-8"))
        for result in replay(model, predictions, left_out=left_out):
            score.add(result.reference, result.outcome)
            if result.outcome in listed and len(listed[result.outcome]) < LISTED:
                listed[result.outcome].append(result)
            if out:
                out.write(as_json(result) + "\n")
    if not score.total:
        return _cannot_tell(
            f"The log has no rated predictions of the task {info.task} to compare with"
            + (", only ones on which reviewers are divided." if left_out else ". Rate some first.")
        )
    name = f"{printed(info.id, 100)} ({info.revision}, {info.runtime}, {info.dtype})"
    print(f"{name} over {score.total:,} rated predictions:\n")
    print(report(score, listed, left_out, info))
    if not are_comparable(score, info.labels):
        return _cannot_tell("Failed: the labels are not those of the rated predictions.")
    broken = score.counts["broken"]
    if broken > arguments.allow_broken:
        print(f"\nFailed: {broken:,} broken, and {arguments.allow_broken:,} may be.")
        return 1
    return 0


if __name__ == "__main__":
    # A TextIO has no `reconfigure`; the stdout of a command is a TextIOWrapper, which has.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
