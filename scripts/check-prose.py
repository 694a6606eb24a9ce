#!/usr/bin/env python3
"""Measures the prose of the documents: no sentence over 25 words, no line over 100 columns, an actor by name.

    scripts/check-prose.py [FILE ...]      without a file: every document of the repository

Tables, code blocks and headings are not measured, nor is what stands between `<!-- prose: off -->` and
`<!-- prose: on -->`. Of settings, units and catalogues the comments and explanations are measured.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("*.md", "*.yaml", "*.conf", "*.catalog", "*.service", "*.socket")
# What is read there is given by others.
NOT_OURS = ("Tests/Corpus/", "Fuzz/corpus/")
MOST_WORDS = 25
MOST_COLUMNS = 100
# "Whoever calls", "Who calls is ...", "to who has": nobody is named who acts. A question may begin with "who".
NOBODY = re.compile(
    r"\b(whoever|whomever|(he|those|to|for|by|from|of|with|than) who|he|him|his)\b|^Who\b[^?]*$", re.IGNORECASE
)
BULLET = re.compile(r"^([*-]|\d+\.)\s+")
# A line of settings, of a unit or of a catalogue's head in a comment.
SETTING = re.compile(r"--|#|\S+[:=](\s|\S*$)|\[\w+\]|u\s")

Line = tuple[int, str]


def prose(path: Path) -> Iterator[Line]:
    """The lines of a document that are prose; an empty one ends a paragraph."""
    in_code = is_off = False
    is_indented = is_blank = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if path.suffix == ".md":
            is_indented = line.startswith("    ") and (is_blank or is_indented)
            is_blank = not text
            if text.startswith("<!-- prose:"):
                is_off = "off" in text
            in_code ^= text.startswith("```")
            is_other = text.startswith(("```", "|", "#", "<!--"))
            is_prose = not (in_code or is_indented or is_off or is_other)
        else:
            comment = re.match(r"\s*[#;]\s?(.*)", line)
            text = comment[1].strip() if comment else text if path.suffix == ".catalog" else ""
            is_prose = not SETTING.match(text)
        if BULLET.match(text):
            yield number, ""
        yield number, line if text and is_prose else ""


def sentences(lines: Iterator[Line]) -> Iterator[Line]:
    """Each sentence, with the number of its first line; a code span counts as one word."""
    paragraph: list[tuple[int, str]] = []
    for number, line in [*lines, (0, "")]:
        if line.strip():
            text = re.sub(r"^\s*[#;]\s?", "", line).strip()
            paragraph += [(number, word) for word in BULLET.sub("", text, 1).split()]
            continue
        begin, is_span = 0, False
        for index, (_, word) in enumerate(paragraph):
            is_span ^= word.count("`") % 2 == 1
            is_end = not is_span and re.search(r"[.!?][\"')\]*]*$", word)
            if is_end or index == len(paragraph) - 1:
                said = " ".join(word for _, word in paragraph[begin : index + 1])
                yield paragraph[begin][0], said
                begin = index + 1
        paragraph = []


def words(sentence: str) -> int:
    """How many words a sentence has; a code span is one, and a link has those that it shows."""
    shown = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "code", sentence))
    return sum(1 for word in shown.split() if re.search(r"\w", word))


def faults(path: Path) -> Iterator[Line]:
    """What the prose of a document breaks, by line."""
    lines = list(prose(path))
    for number, line in lines:
        if len(line) > MOST_COLUMNS:
            yield number, f"{len(line)} columns; wrap at {MOST_COLUMNS}"
    for number, sentence in sentences(iter(lines)):
        if words(sentence) > MOST_WORDS:
            yield number, f"{words(sentence)} words; {MOST_WORDS} are the most: {sentence[:70]}"
        if NOBODY.search(sentence):
            yield number, f"name the actor: {sentence[:70]}"


def main() -> None:
    """Prints every fault; the exit code is 1 when there is one."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *DOCUMENTS]
    known = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    names = sys.argv[1:] or [name for name in known if not name.startswith(NOT_OURS)]
    found = [
        f"{name}:{number}: {fault}"
        for name in names
        if (ROOT / name).exists()
        for number, fault in sorted(faults(ROOT / name))
    ]
    if found:
        print(*found, sep="\n", file=sys.stderr)
        sys.exit(1)


main()
