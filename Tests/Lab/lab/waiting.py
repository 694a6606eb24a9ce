"""Waiting for a condition with a deadline, so that no test ever sleeps for a guessed time."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

POLL_SECONDS = 0.05


def eventually(
    look: Callable[[], Value], what: str | Callable[[], str], seconds: float = 10, every: float = POLL_SECONDS
) -> Value:
    """Calls `look` until it returns something true, and returns that; fails, naming `what`, at the deadline.

    A `what` that tells how things stand is given as a function, since it must be asked then and not now.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            missed = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:g} s: {missed} (last seen: {seen!r})")
        time.sleep(every)
