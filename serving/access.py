"""Keys of clients and their rates: who may do what, and how often.

python -m serving.access new NAME --scope predict makes a key. Only its hash is kept: a key has 256
random bits, so that SHA-256 needs no salt and no slowness. Knows no HTTP beyond the header.
"""

import argparse
import hashlib
import hmac
import json
import secrets
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from serving.errors import Forbidden, RateLimited, Unauthorized

Scope = Literal["predict", "rate", "export"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "tryout_"
MAX_CALLERS = 10_000  # whose rates are remembered
NO_KEY = "This needs a key. Send Authorization: Bearer and the key that the owner gave you."


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key: its name, the SHA-256 of the key in hexadecimal, and its scopes."""

    name: str
    sha256: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that was let in: the name of its key, "" without one, and the key's scopes.

    Without keys there is nobody to tell apart, and `scopes` is None.
    """

    name: str = ""
    scopes: frozenset[str] | None = None

    def require(self, scope: Scope, *, closed: bool = False) -> None:
        """Raises Forbidden for a key without `scope`, and for something `closed` Unauthorized.

        `closed` is for something that needs a key even if there are none.
        """
        if self.scopes is None:
            if closed:
                raise Unauthorized(NO_KEY)
        elif scope not in self.scopes:
            raise Forbidden(
                f"The key {self.name!r} may {' and '.join(sorted(self.scopes))}; "
                f"this needs {scope!r}. Ask the owner for it."
            )


class Access:
    """The keys, and the requests that each caller has left."""

    def __init__(
        self,
        keys: Sequence[Mapping[str, Any]] = (),
        *,
        requests_per_minute: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without keys everybody may do everything; 0 requests a minute is no limit."""
        self._keys = [Key(k["name"], k["sha256"], frozenset(k["scopes"])) for k in keys]
        self._per_minute = requests_per_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests, as of a time

    @property
    def has_keys(self) -> bool:
        """True if routes need a key."""
        return bool(self._keys)

    def admit(self, authorization: str, address: str, scope: Scope, *, closed: bool = False) -> str:
        """The caller's name, and one request less for it.

        `authorization` is the header, "" without one. `closed` is a route that needs a key even if
        there are none. Raises Unauthorized, Forbidden for a key without `scope`, RateLimited.
        """
        caller = self._caller(authorization)
        caller.require(scope, closed=closed)
        self._count(caller, address)
        return caller.name

    def let_in(self, authorization: str, address: str) -> Caller:
        """The caller, whatever its scopes, and one request less for it.

        Raises Unauthorized and RateLimited.
        """
        caller = self._caller(authorization)
        self._count(caller, address)
        return caller

    def _caller(self, authorization: str) -> Caller:
        if not self._keys:
            return Caller()
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Unauthorized(NO_KEY)
        digest = hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()
        # All keys are compared, so that the time tells nothing.
        matching = [key for key in self._keys if hmac.compare_digest(key.sha256, digest)]
        if not matching:
            raise Unauthorized("The key is not valid. Ask the owner for another.")
        return Caller(matching[0].name, matching[0].scopes)

    def _count(self, caller: Caller, address: str) -> None:
        """Takes one of the caller's requests, which come back at an even pace."""
        if not self._per_minute:
            return
        counted = f"key {caller.name}" if caller.name else f"address {address}"
        now_s, most = self._clock(), float(self._per_minute)
        left, then_s = self._left.pop(counted, (most, now_s))
        left = min(most, left + (now_s - then_s) * most / 60)
        self._left[counted] = (left - 1 if left >= 1 else left, now_s)
        while len(self._left) > MAX_CALLERS:
            self._left.popitem(last=False)
        if left < 1:
            raise RateLimited(self._per_minute, wait_s=(1 - left) * 60 / most)


def new_key(name: str, scopes: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """A new key, and the entry for TRYOUT_API_KEYS that knows its hash."""
    token = PREFIX + secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return token, {"name": name, "sha256": digest, "scopes": list(scopes)}


def main() -> int:
    """Makes a key and prints it with its entry."""
    parser = argparse.ArgumentParser(prog="python -m serving.access", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make a key")
    new.add_argument("name", help="the client's name, for the log")
    new.add_argument("--scope", action="append", choices=SCOPES, help="may be repeated (predict)")
    given = parser.parse_args()
    token, entry = new_key(given.name, given.scope or ["predict"])
    print(f"The key, which is shown only now:\n\n  {token}\n")
    print(f"Its entry in the list TRYOUT_API_KEYS, a JSON array:\n\n  {json.dumps(entry)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
