"""A fold that is kept: a disposable cache of state that carries the position it folds to."""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from include.core.events import Event
from include.ledger.entry import Entry
from include.ledger.ledger import Ledger

State = TypeVar("State")


class Projection(Generic[State]):
    """The state after folding every entry up to ``position`` (inclusive), of *kinds* only if given.

    *fold* returns the next state, and knows nothing but the last one and the entry. It may build it into the last one,
    which nobody else then keeps. Whoever doubts a projection makes a new one and compares.
    """

    def __init__(
        self, initial: State, fold: Callable[[State, Entry], State], *, kinds: Collection[type[Event]] | None = None
    ) -> None:
        self.state = initial
        self.position = 0
        self._fold = fold
        self._kinds = kinds

    def catch_up(self, ledger: Ledger) -> State:
        """Fold what was recorded since; the state."""
        for entry in ledger.read_all(after=self.position, kinds=self._kinds):
            self.state = self._fold(self.state, entry)
            self.position = entry.position
        return self.state
