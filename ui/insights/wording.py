"""Shares and agreement in words, each with its n, its interval, or that it is too few to tell.

Knows no Streamlit; what it makes of names is text, not markdown.
"""

from feedback.insights import Blind, Reviewing, Share
from feedback.statistics import TOO_FEW
from ui.parts.text import counted

NARROW = 0.02  # from here on a decimal is needed
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


def too_few(count: int, what: str = "rating") -> str:
    return f"Too few to tell: {counted(count, what)}, and {TOO_FEW} or more are needed."


def share(of: Share) -> str:
    """The share with its interval."""
    low, high = of.interval
    digits = 0 if high - low > NARROW else 1
    return (
        f"{100 * of.value:.{digits}f} % (95 % interval {100 * low:.{digits}f} to "
        f"{100 * high:.{digits}f} %)"
    )


def agreement(found: Reviewing) -> str:
    """How far reviewers agree, and what is called so much."""
    value, n = found.agreement.value, found.agreement.n
    if found.reviewers:
        who = "predictions that both {} and {} rated".format(*found.reviewers)
    else:
        who = "predictions with ratings by several people"
    if found.same.too_few:
        return f"Too few to tell: {n:,} {who}, and {TOO_FEW} or more are needed."
    same = f"From {n:,} {who}: they said the same of {share(found.same)}."
    if value is None:
        return f"{same} All say the same of everything, so chance alone would agree as often."
    name, called, by = (
        ("Cohen's kappa", KAPPA, "Landis and Koch 1977")
        if found.measure == "kappa"
        else ("Krippendorff's alpha", ALPHA, "Krippendorff 2004")
    )
    words = next(words for least, words in called if value >= least)
    low, high = found.agreement.low, found.agreement.high
    return (
        f"{same} Beyond chance that is {name} {value:.2f} (95 % interval {low:.2f} to {high:.2f}): "
        f"{words} ({by}). 1 is always, 0 as by chance."
    )


def blind(found: Blind) -> str:
    """Whether ratings given before the output was shown differ from the others."""
    fewest = min(found.blind.n, found.seen.n)
    if found.blind.too_few or found.seen.too_few:
        return too_few(fewest)
    low, high = (100 * end for end in found.difference)
    if low <= 0 <= high:
        return (
            f"No difference can be told: the share is between {-low:.1f} points lower and "
            f"{high:.1f} higher before (95 % Newcombe interval)."
        )
    ends = sorted((abs(low), abs(high)))
    return (
        f"{ends[0]:.1f} to {ends[1]:.1f} points {'higher' if low > 0 else 'lower'} before the "
        "output was shown (95 % Newcombe interval of the difference)."
    )
