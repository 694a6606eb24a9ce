"""Hearing: whether a recording holds a given tone just now."""

import array
import math
import sys
from pathlib import Path

WAV_HEADER_BYTES = 44
RATE = 8000
WINDOW = 1600
# A tone that is there holds nearly all of the power of its window; another tone holds next to none of it.
SHARE_OF_POWER = 0.5
SILENCE = 100.0


def last_samples(recording: Path) -> list[int]:
    """The newest stretch of a recording that is still being written: its header is not valid yet, its samples are."""
    raw = recording.read_bytes()[WAV_HEADER_BYTES:]
    samples = array.array("h", raw[: len(raw) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return list(samples[-WINDOW:])


def holds_tone(samples: list[int], hertz: int) -> bool:
    """Goertzel's measure of one frequency, against the power of the whole."""
    if len(samples) < WINDOW:
        return False
    power = sum(sample * sample for sample in samples) / len(samples)
    if power < SILENCE:
        return False
    turn = 2 * math.pi * hertz / RATE
    coefficient = 2 * math.cos(turn)
    before = older = 0.0
    for sample in samples:
        before, older = sample + coefficient * before - older, before
    energy = before * before + older * older - coefficient * before * older
    return 2 * energy / (len(samples) ** 2) > SHARE_OF_POWER * power
