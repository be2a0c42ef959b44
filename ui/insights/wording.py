"""Shares and agreement in words, each with its n, its interval, or that it is too few to tell.

Knows no Streamlit; the sentences are text, not markdown.
"""

from feedback.insights import Blind, Reviewing, Share
from feedback.statistics import TOO_FEW
from ui.parts.text import counted

NARROW = 0.02  # an interval up to this width gets a decimal
KAPPA = (  # J. R. Landis and G. G. Koch 1977, Biometrics 33, 159-174
    (0.8, "almost perfect agreement"),
    (0.6, "substantial agreement"),
    (0.4, "moderate agreement"),
    (0.2, "fair agreement"),
    (0.0, "slight agreement"),
    (-1.0, "poor agreement, less than by chance"),
)
ALPHA = (  # K. Krippendorff 2004, Human Communication Research 30, 411-433
    (0.8, "reliable"),
    (0.667, "enough for tentative conclusions only"),
    (-1.0, "too low to draw conclusions from"),
)


def too_few(count: int, noun: str = "rating") -> str:
    return f"Too few to tell: {counted(count, noun)}, and {TOO_FEW} or more are needed."


def share(of: Share) -> str:
    """The share with its interval."""
    low, high = of.interval
    digits = 0 if high - low > NARROW else 1
    return (
        f"{100 * of.value:.{digits}f} % (95 % interval {100 * low:.{digits}f} to "
        f"{100 * high:.{digits}f} %)"
    )


def agreement(reviewing: Reviewing) -> str:
    """The agreement of reviewers, with the usual name for a value of that size."""
    value, n = reviewing.agreement.value, reviewing.agreement.n
    if reviewing.reviewers:
        rated = "predictions that both {} and {} rated".format(*reviewing.reviewers)
    else:
        rated = "predictions with ratings by several people"
    if reviewing.same.too_few:
        return f"Too few to tell: {n:,} {rated}, and {TOO_FEW} or more are needed."
    same = f"From {n:,} {rated}: they said the same of {share(reviewing.same)}."
    if value is None:
        return f"{same} All say the same of everything, so chance alone would agree as often."
    measure, scale, source = (
        ("Cohen's kappa", KAPPA, "Landis and Koch 1977")
        if reviewing.measure == "kappa"
        else ("Krippendorff's alpha", ALPHA, "Krippendorff 2004")
    )
    words = next(words for least, words in scale if value >= least)
    low, high = reviewing.agreement.low, reviewing.agreement.high
    return (
        f"{same} Beyond chance that is {measure} {value:.2f} (95 % interval {low:.2f} to "
        f"{high:.2f}): {words} ({source}). 1 is full agreement, 0 is chance."
    )


def blind(comparison: Blind) -> str:
    """The difference of ratings given before the output was shown from those given after."""
    if comparison.blind.too_few or comparison.seen.too_few:
        return too_few(min(comparison.blind.n, comparison.seen.n))
    low, high = (100 * end for end in comparison.difference)
    if low <= 0 <= high:
        return (
            f"No difference can be told: the share is between {-low:.1f} points lower and "
            f"{high:.1f} higher before (95 % Newcombe interval)."
        )
    nearer, farther = sorted((abs(low), abs(high)))
    return (
        f"{nearer:.1f} to {farther:.1f} points {'higher' if low > 0 else 'lower'} before the "
        "output was shown (95 % Newcombe interval of the difference)."
    )
