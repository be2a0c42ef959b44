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
from jobs.replay.report import are_comparable, printed, report
from jobs.replay.run import Replayed, line, replay
from model import Model, Predictor
from model.exported import is_export
from settings import load_settings

logger = logging.getLogger("tryout.jobs.replay")

LISTED = 20  # texts of one outcome that the command prints


def main() -> int:
    """Runs a model over the rated predictions of the log and compares with what reviewers said.

    Exits with 0 if it breaks no more than allowed, with 1 if it does, with 2 if it cannot be told.
    """
    given = _parser().parse_args()
    try:
        settings = load_settings()
        chosen = settings.model.for_model(given.model, given.revision)
        exported = is_export(given.model)
        dtype = None if exported else chosen.dtype
        model = Model(**chosen.arguments(runtime="onnx" if exported else "torch", dtype=dtype))
        with ExitStack() as stack:
            log = FeedbackLog(settings.log_url)
            stack.callback(log.close)
            model.load()
            stack.callback(model.close)
            return _compare(model, log, given)
    except TryoutError as error:
        return _refused(str(error))
    except OSError as error:
        what = given.out or "The result"
        return _refused(f"{what} cannot be written: {error.strerror}. Name another --out.")
    except KeyboardInterrupt:
        return _refused("Stopped.")
    except Exception as error:
        logger.exception("The replay failed")
        return _refused(f"The replay failed: {error!r}. That says nothing of the model.")


def _refused(why: str) -> int:
    print(why, file=sys.stderr)
    return 2


def whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def positive_number(text: str) -> int:
    if not whole_number(text):
        raise ValueError
    return whole_number(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.replay", description=main.__doc__)
    parser.add_argument("--model", required=True, metavar="ID", help="a folder or a Hub id")
    parser.add_argument("--revision", help="a branch, tag or commit on the Hub")
    parser.add_argument(
        "--allow-broken", type=whole_number, default=0, metavar="N", help="as many may break (0)"
    )
    parser.add_argument(
        "--newest", type=positive_number, metavar="N", help="only so many, the newest"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a JSONL of all of them")
    return parser


def _compare(model: Predictor, log: FeedbackLog, given: argparse.Namespace) -> int:
    score, listed, left_out = OutcomeCounts(), _empty(), Counter[str]()
    info = model.info
    every = rated(log, task=info.task, limit=given.newest)
    with ExitStack() as stack:
        out = stack.enter_context(given.out.open("w", encoding="utf-8")) if given.out else None
        for one in replay(model, every, left_out=left_out):
            score.add(one.reference, one.outcome)
            if one.outcome in listed and len(listed[one.outcome]) < LISTED:
                listed[one.outcome].append(one)
            if out:
                out.write(line(one) + "\n")
    if not score.total:
        return _refused(
            f"The log has no rated predictions of the task {info.task} to compare with"
            + (", only ones on which reviewers are divided." if left_out else ". Rate some first.")
        )
    name = f"{printed(info.id, 100)} ({info.revision}, {info.runtime}, {info.dtype})"
    print(f"{name} over {score.total:,} rated predictions:\n")
    print(report(score, listed, left_out, info))
    if not are_comparable(score, info.labels):
        return _refused("Failed: the labels are not those of the rated predictions.")
    broken = score.counts["broken"]
    if broken > given.allow_broken:
        print(f"\nFailed: {broken:,} broken, and {given.allow_broken:,} may be.")
        return 1
    return 0


def _empty() -> dict[Outcome, list[Replayed]]:
    return {"broken": [], "fixed": []}


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
