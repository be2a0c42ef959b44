"""The assignment of predictions to reviewers, so that no two review the same prediction at once.

Knows no Streamlit and no log. Within one process: two processes with one database do not see each
other's assignments, so two reviewers may get the same prediction, which does no harm.
"""

import threading
import time
from collections.abc import Iterable
from uuid import UUID

HELD_S = 300.0  # then a reviewer who went away holds nothing


class Assignments:
    """Predictions by the reviewer who holds them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[UUID, tuple[str, float]] = {}

    def assign(self, prediction_ids: Iterable[UUID], holder: str) -> UUID | None:
        """Gives `holder` the first prediction that nobody else holds; they hold only that."""
        with self._lock:
            self._forget()
            for prediction_id in prediction_ids:
                by, _ = self._held.get(prediction_id, (holder, 0.0))
                if by == holder:
                    self._held = {
                        held_id: hold for held_id, hold in self._held.items() if hold[0] != holder
                    }
                    self._held[prediction_id] = (holder, time.monotonic())
                    return prediction_id
        return None

    def held_by_others(self, holder: str) -> set[UUID]:
        """The predictions that others hold."""
        with self._lock:
            self._forget()
            return {held_id for held_id, (by, _) in self._held.items() if by != holder}

    def renew(self, prediction_id: UUID, holder: str) -> bool:
        """Prolongs the hold of a reviewer who is still there; False if another has it by now."""
        with self._lock:
            by, _ = self._held.get(prediction_id, (holder, 0.0))
            if by == holder:
                self._held[prediction_id] = (holder, time.monotonic())
            return by == holder

    def _forget(self) -> None:
        """Frees the predictions of reviewers who went away."""
        now_s = time.monotonic()
        self._held = {
            held_id: (by, since_s)
            for held_id, (by, since_s) in self._held.items()
            if now_s - since_s < HELD_S
        }
