"""The choices of a draw, which of their values never meet, and how pairs are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Chosen = dict[str, str]
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
ENOUGH = 5  # draws of each pair


@dataclass(frozen=True)
class Never:
    """Values of two choices that no draw has together, and why."""

    choice: str
    values: tuple[str, ...]
    other: str
    others: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What came of a draw: how many numbers were compared, or why it was refused.

    Attributes
    ----------
    what : str
        "equal", or a reason in words.
    n_compared : int
    counts : bool
        Whether the choices were tried. An engine that was insisted on and refuses, or a
        model that does not take the table, tries nothing.
    """

    what: str
    n_compared: int = 0
    counts: bool = True


def told(ask: Callable[[], object], reason: str) -> Outcome:
    """The outcome where there is no answer by hand: the package has to say so, too."""
    try:
        ask()
    except (ValueError, TypeError):
        return Outcome(f"refused: {reason}")
    raise AssertionError(f"not refused: {reason}")


@dataclass(frozen=True)
class Space:
    """Choices, and the check of a draw that has one value of each."""

    name: str
    choices: Mapping[str, tuple[str, ...]]
    never: tuple[Never, ...]
    check: Callable[[np.random.Generator, Chosen], Outcome]
    describe: Callable[[np.random.Generator, Chosen], str] = lambda rng, chosen: ""

    @cached_property
    def values(self) -> list[tuple[str, str]]:
        return [(c, value) for c, values in self.choices.items() for value in values]

    @cached_property
    def choice_of(self) -> np.ndarray:
        """The number of the choice that each value belongs to."""
        lengths = [len(values) for values in self.choices.values()]
        return np.repeat(np.arange(len(lengths)), lengths)

    @cached_property
    def meets(self) -> np.ndarray:
        """Which values, of two different choices, may come together."""
        meets = self.choice_of[:, None] != self.choice_of
        for rule in self.never:
            one = self._positions(rule.choice, rule.values)
            other = self._positions(rule.other, rule.others)
            meets[np.ix_(one, other)] = meets[np.ix_(other, one)] = False
        return meets

    def _positions(self, choice: str, values: tuple[str, ...]) -> list[int]:
        unknown = set(values) - set(self.choices[choice])
        assert not unknown, f"{choice} has no {unknown}"
        return [self.values.index((choice, value)) for value in values]

    def completed(
        self, rng: np.random.Generator, fixed: tuple[int, ...]
    ) -> list[int] | None:
        """One value of each choice, some of them fixed; None where no values go along."""
        allowed = np.ones(len(self.values), bool)
        for value in fixed:
            allowed &= self.meets[value]
        free = [
            c for c in range(len(self.choices)) if c not in self.choice_of[[*fixed]]
        ]
        return self._searched(rng, [*fixed], allowed, free)

    def _searched(
        self,
        rng: np.random.Generator,
        taken: list[int],
        allowed: np.ndarray,
        free: list[int],
    ) -> list[int] | None:
        if not free:
            return sorted(taken)
        left = np.bincount(self.choice_of[allowed], minlength=len(self.choices))
        if not left[free].all():
            return None
        # The choice with the fewest values left, of which one must do.
        tight = min(free, key=lambda c: (left[c] > 3, rng.random()))
        rest = [c for c in free if c != tight]
        for value in rng.permutation(
            np.flatnonzero(allowed & (self.choice_of == tight))
        ):
            found = self._searched(
                rng, [*taken, int(value)], allowed & self.meets[value], rest
            )
            if found:
                return found
        return None

    def chosen(self, values: list[int]) -> Chosen:
        return dict(self.values[value] for value in values)

    def code(self, chosen: Chosen) -> str:
        """A digit for each choice, from which `decoded` makes it again."""
        return "".join(DIGITS[self.choices[c].index(v)] for c, v in chosen.items())

    def decoded(self, code: str) -> Chosen:
        pairs = zip(self.choices.items(), code, strict=True)
        return {c: values[DIGITS.index(digit)] for (c, values), digit in pairs}


class Pairs:
    """How often each pair of values was drawn, and the values that should come next."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self.space = space
        self.rng = rng
        self.counts = np.zeros(
            space.meets.shape, dtype=int
        )  # draws that tried the pair
        self.asked = np.zeros(space.meets.shape, dtype=int)  # those that did not, too
        self.possible = np.triu(space.meets)

    def next(self) -> Chosen:
        """Values around a pair that was seen least, the rarest of a few of such draws."""
        candidates = [self._around_rarest() for _ in range(3)]
        return self.space.chosen(min(candidates, key=self._commonness))

    def _around_rarest(self) -> list[int]:
        while True:
            seen = np.where(self.possible, self.counts + self.asked / 4, np.inf)
            rarest = np.argwhere(seen <= seen.min() + 0.5)
            pair = rarest[self.rng.integers(len(rarest))]
            values = self.space.completed(self.rng, tuple(map(int, pair)))
            if values:
                return values
            self.possible[tuple(pair)] = False  # others than these two keep them apart

    def _commonness(self, values: list[int]) -> float:
        pairs = np.ix_(values, values)
        return float(-np.triu(1 / (1.0 + self.counts[pairs]) ** 2, 1).sum())

    def add(self, chosen: Chosen, outcome: Outcome | None) -> None:
        """Count a draw, whose pairs were tried if it came to an outcome that counts."""
        values = [self.space.values.index(pair) for pair in chosen.items()]
        pairs = np.ix_(values, values)
        self.asked[pairs] += 1
        if outcome is None or outcome.counts:
            self.counts[pairs] += 1

    def rare(self) -> Iterator[tuple[int, str]]:
        """Pairs seen fewer times than is enough, and how often; rarest first."""
        for one, other in np.argwhere(self.possible & (self.counts < ENOUGH)):
            if self.counts[one, other] == 0 and not self.space.completed(
                self.rng, (int(one), int(other))
            ):
                self.possible[one, other] = False
                continue
            names = [" ".join(self.space.values[value]) for value in (one, other)]
            yield int(self.counts[one, other]), " with ".join(names)
