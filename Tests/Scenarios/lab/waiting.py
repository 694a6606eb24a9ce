"""Waiting for a condition with a deadline, so that no test ever sleeps for a guessed time."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

POLL_SECONDS = 0.05


def eventually(look: Callable[[], Value], what: str, seconds: float = 10, every: float = POLL_SECONDS) -> Value:
    """Calls `look` until it returns something true, and returns that; fails, naming `what`, at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (last seen: {seen!r})")
        time.sleep(every)


def throughout(look: Callable[[], bool], what: str, seconds: float, every: float = POLL_SECONDS) -> None:
    """Fails as soon as `look` returns something false; used for claims that something does not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), f"did not stay so for {seconds:g} s: {what}"
        time.sleep(every)
