"""What came of a run: draws, outcomes, numbers compared, pairs of choices, failures."""

from __future__ import annotations

import traceback
from collections import Counter

import numpy as np

from benchmarks.fuzz.choices import ENOUGH, Chosen, Outcome, Pairs, Space

_MOST_PAIRS = 40  # that are listed


class Report:
    """A run: every draw is made here, and what came of it is counted."""

    def __init__(self, spaces: dict[str, Space], seed: int) -> None:
        self.seed = seed
        self.seconds = 0.0
        self.n_draws = 0
        self.n_compared = 0
        self.failures: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.distinct: set[str] = set()
        rng = np.random.default_rng(seed)
        self.pairs = {name: Pairs(space, rng) for name, space in spaces.items()}

    def draw(self, name: str) -> None:
        """The next draw of a space."""
        pairs, number = self.pairs[name], self.seed + self.n_draws
        chosen = pairs.next()
        code = pairs.space.code(chosen)
        self.n_draws += 1
        outcome = self._outcome(pairs.space, number, chosen)
        if outcome is None:
            self.outcomes["failed"] += 1
        else:
            self.outcomes[outcome.what] += 1
            self.n_compared += outcome.n_compared
            self.distinct.add(f"{name}:{code}")
        pairs.add(pairs.space.decoded(code), outcome)

    def _outcome(self, space: Space, number: int, chosen: Chosen) -> Outcome | None:
        """None where a draw fails, which is printed at once."""
        code = space.code(chosen)
        try:
            return space.check(np.random.default_rng(number), chosen)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            message = " ".join(str(error).split())[:300]
            self.failures.append(
                f"--draw {space.name}:{number}:{code}  {type(error).__name__}: {message}\n"
                f"    {place.filename.rpartition('/')[2]}:{place.lineno}  "
                f"{space.decoded(code)}"
            )
            print(self.failures[-1], flush=True)
            return None

    def text(self) -> str:
        """The counts of all."""
        lines = [
            f"seed {self.seed}, {self.seconds:.0f} seconds: {self.n_draws:,} draws, "
            f"{len(self.distinct):,} of them distinct, {self.n_compared:,} numbers compared",
            *(f"{n:>8,}  {what}" for what, n in self.outcomes.most_common()),
        ]
        for name, pairs in self.pairs.items():
            if not pairs.asked.any():
                continue
            rare = sorted(pairs.rare())
            n_pairs = int(pairs.possible.sum())
            least = pairs.counts[pairs.possible].min()
            lines += [
                f"{name}: {n_pairs:,} pairs of choices that can meet, each seen at least "
                f"{least} times; {len(rare)} fewer than {ENOUGH} times",
                *(f"{count:>8}  {pair}" for count, pair in rare[:_MOST_PAIRS]),
            ]
        return "\n".join(lines)
