"""Generated texts that came in parts, beside the whole text."""

UNREADABLE = "\ufffd"


def begins(whole: str, streamed: str) -> bool:
    """True if `whole` begins with `streamed`, but for bytes that are no text.

    A tokenizer with tokens for bytes reads those in a row together, so that a character which was
    there can become unreadable once a byte that does not belong to it has followed.
    """
    pairs = zip(streamed, whole, strict=False)
    return len(streamed) <= len(whole) and all(a == b or UNREADABLE in (a, b) for a, b in pairs)
