"""One row for each attack, printed when it is over and once more, as one table, at the end of the run."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .attack_herd import Deed
from .attack_watch import Story

TITLES = [
    "attack", "packets", "tries answered", "drop, ms", "after, s", "learned", "phones' deeds", "failed",
    "register p50/p99, ms", "call p50/p99, ms",
]  # fmt: skip


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def _pair(deeds: list[Deed], kind: str) -> str:
    times = [deed.milliseconds for deed in deeds if deed.kind == kind and not deed.failure]
    return f"{percentile(times, 0.5):.0f} / {percentile(times, 0.99):.0f} ({len(times)})"


def _waits(waits: list[float], none: str) -> str:
    if len(waits) > 1:
        return f"{len(waits)} sources: p50 {percentile(waits, 0.5):.1f}, p99 {percentile(waits, 0.99):.1f}"
    return f"{waits[0]:.1f}" if waits else none


def row_of(attack: str, story: Story | None, learned: str, deeds: list[Deed]) -> list[str]:
    """A row's cells in the order of the titles."""
    told = ["-"] * 4
    if story:
        decided = [1000 * wait for source in story.dropped if (wait := story.seconds_to_drop(source)) is not None]
        lasted = [wait for source in story.dropped if (wait := story.seconds_of_attack(source)) is not None]
        told = [str(len(story.sent)), str(story.tries_answered), _waits(decided, "not dropped"), _waits(lasted, "-")]
    failed = sum(1 for deed in deeds if deed.failure)
    return [attack, *told, learned or "nothing", str(len(deeds)), str(failed), _pair(deeds, "register"), _pair(deeds, "call")]


@dataclass(eq=False)
class Table:
    """The rows of a run; a plugin of pytest, so that they are printed at its end, by whichever lane they were made."""

    NAME = "table of attacks"

    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, row: list[str]) -> None:
        self.rows.append(row)
        print("; ".join(f"{title}: {cell}" for title, cell in zip(TITLES, row, strict=True)))

    def note(self, text: str) -> None:
        """A figure that is no row."""
        self.notes.append(text)
        print(text)

    def text(self) -> str:
        lines = [TITLES, ["---"] * len(TITLES), *self.rows] if self.rows else []
        return "\n".join(["| " + " | ".join(cells) + " |" for cells in lines] + [""] + [f"* {note}" for note in self.notes]) + "\n"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # A lane has no terminal: it hands its rows to the process that has started it.
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[self.NAME] = [self.rows, self.notes]

    def pytest_testnodedown(self, node) -> None:
        """Takes the rows of a lane in; one that has died leaves none."""
        rows, notes = getattr(node, "workeroutput", {}).get(self.NAME, [[], []])
        self.rows += rows
        self.notes += notes

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if not self.rows and not self.notes:
            return
        terminalreporter.write_line("")
        terminalreporter.write_line(self.text())
        if document := os.environ.get("REMPART_ATTACK_TABLE"):
            Path(document).write_text(self.text())
