"""Binary tensors of the Open Inference Protocol, as a client writes and reads them."""

import struct
from typing import Any


def as_bytes(*texts: bytes) -> bytes:
    """A BYTES tensor of the texts: each is its length and then its bytes."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def read(datatype: str, part: bytes, count: int) -> list[Any]:
    """The `count` numbers of a tensor of FP64, or the texts of one of BYTES."""
    if datatype == "FP64":
        return list(struct.unpack(f"<{count}d", part))
    texts = []
    while part:
        (size,) = struct.unpack_from("<I", part)
        texts.append(part[4 : 4 + size].decode())
        part = part[4 + size :]
    return texts
