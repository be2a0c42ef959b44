"""The answers of the Feedback page: one question at a time, with a chart, n and an interval.

The statistics are those of feedback.insights.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import streamlit as st

from feedback import FeedbackLog, insights
from feedback.filters import Filter
from feedback.insights import Ranked, Share
from feedback.records import ModelRevision
from feedback.statistics import TOO_FEW
from ui import shared, visits
from ui.insights import charts, selection, wording
from ui.insights.log_table import COLUMN_CONFIG, frame
from ui.navigation import page_link
from ui.parts.labels import distinct, revision_name, shown_labels
from ui.parts.text import as_markdown, counted

MAX_BARS = 20
MAX_CELLS = 12  # a side
MAX_MISTAKES = 20
TOO_HIGH = "Thumbs down without a correction are left out, so this looks better than it is."
CHOSEN = (
    "Most predictions were chosen by somebody, or because the model was unsure, so they may be "
    "harder or easier than usual."
)
ALL = ModelRevision("", "")
Answer = Callable[[FeedbackLog, ModelRevision | None], None]


def show(log: FeedbackLog) -> None:
    """The questions, and the answer to the one that is chosen."""
    revisions = insights.revisions(log)
    st.subheader("Insights")
    if not revisions:
        st.info("No ratings yet. Rate a few predictions, and this is where they add up.")
        return
    question = st.pills(
        "Question",
        list(QUESTIONS),
        default=next(iter(QUESTIONS)),
        required=True,
        key="question",
        label_visibility="collapsed",
        on_change=selection.clear,
    )
    of = _revision(revisions) if len(revisions) > 1 else None
    QUESTIONS[question](log, of)
    if words := selection.in_words(selection.chosen()):
        st.caption(f"The table below shows the selection: {as_markdown(words)}.")


def _revision(revisions: Iterable[ModelRevision]) -> ModelRevision | None:
    names = {ALL: "All models"} | distinct(revisions, revision_name)
    live = shared.loaded()
    live_revision = ModelRevision(live.info.id, live.info.revision) if live else ALL
    chosen = st.selectbox(
        "Model",
        list(names),
        index=list(names).index(live_revision) if live_revision in names else 0,
        format_func=names.__getitem__,
        key="revision",
        label_visibility="collapsed",
        on_change=selection.clear,
        width=320,
    )
    return None if chosen == ALL else chosen


# --- the answers ----------------------------------------------------------------------------------


def _right(log: FeedbackLog, of: ModelRevision | None) -> None:
    drawn = insights.drawn_by_chance(log, of, share=shared.settings().review.random_share)
    if drawn.right.too_few:
        st.markdown(
            f"**Accuracy in general.** {wording.too_few(drawn.right.n, 'prediction')} It takes "
            "predictions that chance chose and not a person, and ratings of nearly all of them; "
            "the Review page asks for those."
        )
    else:
        has = "has" if drawn.unrated == 1 else "have"
        left = f" {drawn.unrated:,} of those that it chose {has} no rating yet."
        unrated = left if drawn.unrated else ""
        st.markdown(
            f"**Accuracy in general: {wording.share(drawn.right)}**, from {drawn.right.n:,} "
            f"predictions that chance chose, as most of their reviewers say.{unrated}"
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        page_link("review", "Review some")
        if drawn.right.n:
            _link("Show those that chance chose", Filter(drawn_to=drawn.last, revision=of))
    outputs = insights.by_output(log, of, limit=MAX_BARS)
    if not outputs.shares:
        st.caption("There are no shares by label: the outputs have no labels.")
        return
    st.caption(f"Below are all ratings. {CHOSEN}")
    st.markdown("**When it says a label, how often is it right?**")
    _labels(outputs, "output", "thumbs up", lambda label: Filter(label=label, revision=of))
    truths = insights.by_truth(log, of, limit=MAX_BARS)
    if truths.shares:
        st.markdown("**Where a label is right, how often does it say so?**")
        _labels(truths, "truth", "predicted", lambda label: Filter(truth=label, revision=of))
        st.caption(f"From thumbs up, and thumbs down with a correction. {TOO_HIGH}")
    _how_to_read(outputs.shares, truths.shares)


def _labels(ranked: Ranked, key: str, title: str, filter_for: Callable[[str], Filter]) -> None:
    names = _names(ranked.shares)
    _shares(
        {names[label]: share for label, share in ranked.shares.items()},
        key,
        title,
        {names[label]: filter_for(label) for label in ranked.shares},
    )
    if ranked.left_out:
        st.caption(f"The {len(ranked.shares)} most rated labels; {ranked.left_out:,} are left out.")


def _shares(
    shares: Mapping[str, Share], key: str, title: str, filters: Mapping[str, Filter]
) -> None:
    selection.chart(
        charts.shares(shares, title=title),
        key=key,
        fields=charts.NAME,
        filters={(name,): filter_ for name, filter_ in filters.items()},
    )


def _confusion(log: FeedbackLog, of: ModelRevision | None) -> None:
    confusion = insights.confusion(log, of, limit=MAX_CELLS)
    if not confusion.n:
        st.info(
            "Nothing to compare yet. Thumbs up, and corrections after thumbs down, say which label "
            "is right, for models that choose one of several."
        )
        return
    names = _names(confusion.labels)
    cells = {(names[output], names[truth]): n for (output, truth), n in confusion.cells.items()}
    selection.chart(
        charts.confusion(replace(confusion, labels=tuple(names.values()), cells=cells)),
        key="confusion",
        fields=charts.CELL,
        filters={
            (names[output], names[truth]): Filter(label=output, truth=truth, revision=of)
            for output, truth in confusion.cells
        },
    )
    right = sum(n for (output, truth), n in confusion.cells.items() if output == truth)
    shown = Share(right, sum(confusion.cells.values()))
    words = f"{counted(shown.n, 'rating')} say which label is right. " + (
        f"Too few to tell: {TOO_FEW} or more are needed."
        if shown.too_few
        else "Among the labels shown it is the predicted label in "
        f"{wording.share(shown)}. {TOO_HIGH}"
    )
    if confusion.left_out:
        words += (
            f" The {len(confusion.labels)} most frequent labels; {confusion.left_out:,} more and "
            f"{counted(confusion.n - shown.n, 'rating')} are left out."
        )
    st.caption(f"{words} The stronger the colour, the larger the share of that output.")


def _scores(log: FeedbackLog, of: ModelRevision | None) -> None:
    reliability = insights.reliability(log, of)
    if reliability.error is None:
        st.info("No rated output has a score that says how sure the model is of all of it.")
        return
    selection.chart(
        charts.reliability(reliability),
        key="reliability",
        fields=charts.TENTH,
        filters={(bin_.tenth,): Filter(tenth=bin_.tenth, revision=of) for bin_ in reliability.bins},
    )
    if reliability.n < TOO_FEW:
        st.caption(wording.too_few(reliability.n))
        return
    low, high = reliability.error_ends
    st.caption(
        f"{counted(reliability.n, 'rating')}, by tenths of the score. On the dashed line a score "
        "of 0.9 is right in 9 of 10; above it the model is too modest, below too sure. "
        f"**Expected calibration error {100 * reliability.error:.1f} points**: the distance of "
        "score and share on average. Within their 95 % intervals it may be "
        f"{100 * low:.1f} to {100 * high:.1f}." + _pale(bin_.right for bin_ in reliability.bins)
    )
    st.caption(CHOSEN)


def _over_time(log: FeedbackLog, of: ModelRevision | None) -> None:
    days = insights.by_day(log, of)
    if days:
        selection.chart(
            charts.over_time(days),
            key="days",
            fields=charts.DAY,
            filters={
                (str(tally.day), verdict): Filter(day=tally.day, verdict=verdict, revision=of)
                for tally in days
                for verdict in ("up", "down")
            },
        )
        up, n = sum(tally.up for tally in days), sum(tally.up + tally.down for tally in days)
        share = Share(up, n)
        st.caption(
            wording.too_few(n)
            if share.too_few
            else f"{counted(n, 'rating')}: {wording.share(share)} up."
        )
    revisions = insights.revisions(log)
    if len(revisions) < 2:
        return
    st.markdown("**By model**")
    names = distinct(revisions, revision_name)
    newest = dict(list(revisions.items())[:MAX_BARS])
    _shares(
        {names[revision]: share for revision, share in newest.items()},
        "revisions",
        "thumbs up",
        {names[revision]: Filter(revision=revision) for revision in newest},
    )
    _how_to_read(newest)
    st.caption(CHOSEN)
    if len(revisions) > MAX_BARS:
        left_out = len(revisions) - MAX_BARS
        st.caption(f"The {MAX_BARS} newest models; {left_out:,} are left out.")


def _reviewers(log: FeedbackLog, of: ModelRevision | None) -> None:
    st.markdown("**Do they say the same of the same prediction, of whatever model?**")
    reviewing = insights.reviewing(log)
    if reviewing is None:
        st.info(
            "No prediction has ratings by two people yet. Ask a colleague to rate some of yours."
        )
    else:
        st.markdown(as_markdown(wording.agreement(reviewing)))
        if reviewing.same.some < reviewing.same.n:
            _link("Show where they disagree", Filter(disputed=True))
    st.markdown("**Do they judge otherwise before they see the output?**")
    comparison = insights.blind(log, of)
    both = {"before it": (comparison.blind, True), "after it": (comparison.seen, False)}
    shown = {name: share for name, (share, _) in both.items() if share.n}
    _shares(
        shown,
        "blind",
        "thumbs up",
        {name: Filter(blind=both[name][1], revision=of) for name in shown},
    )
    st.caption(wording.blind(comparison))
    _how_to_read(shown)


def _mistakes(log: FeedbackLog, of: ModelRevision | None) -> None:
    rows = log.mistakes(of, limit=MAX_MISTAKES)
    if not rows:
        st.info("No output with a score is rated down. When one is, the surest come first here.")
        return
    visits.saw(*(entry.prediction for entry, _ in rows))
    st.dataframe(frame(rows), column_config=COLUMN_CONFIG, hide_index=True, height="content")
    st.caption(f"Rated down with the highest scores, {MAX_MISTAKES} predictions at most.")
    surest = insights.surest_mistakes(log, of)
    if surest.too_few:
        st.caption(f"Outputs with a score from 0.9: {wording.too_few(surest.n)}")
    else:
        st.caption(
            f"Outputs with a score from 0.9: of {counted(surest.n, 'rating')}, "
            f"{wording.share(surest)} are down."
        )


QUESTIONS: dict[str, Answer] = {
    "How often is it right?": _right,
    "What is mistaken for what?": _confusion,
    "Do its scores mean what they say?": _scores,
    "Over time": _over_time,
    "Do reviewers agree?": _reviewers,
    "Confident mistakes": _mistakes,
}


# --- shared by the answers ------------------------------------------------------------------------


def _link(label: str, filter_: Filter) -> None:
    st.button(
        label,
        key=label,
        type="tertiary",
        icon=":material/filter_list:",
        on_click=selection.choose,
        args=(filter_,),
    )


def _how_to_read(*bars: Mapping[str, Share] | Mapping[ModelRevision, Share]) -> None:
    st.caption(
        "Right of a bar is its number of ratings; the line is the 95 % Wilson interval."
        + _pale(share for shares in bars for share in shares.values())
    )


def _pale(shares: Iterable[Share]) -> str:
    few = any(share.too_few for share in shares)
    return f" Pale: fewer than {TOO_FEW} ratings, too few to tell." if few else ""


def _names(labels: Iterable[str]) -> dict[str, str]:
    return shown_labels(labels, empty="none")
