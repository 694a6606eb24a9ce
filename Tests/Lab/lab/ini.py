"""Asterisk's configuration files as an administrator edits them, a section at a time."""

import re
from pathlib import Path

HEAD = re.compile(r"^\[([^\]]*)\]")
ENTRY = re.compile(r"^([\w/-]+)\s*=")


def sections(text: str) -> list[list[str]]:
    """The lines of each section, its head first; what stands before the first one is a section without a head."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if HEAD.match(line):
            found.append([])
        found[-1].append(line)
    return found


def _name(section: list[str]) -> str:
    head = HEAD.match(section[0]) if section else None
    return head[1] if head else ""


def _keys(section: list[str]) -> dict[str, str]:
    return {found[1]: line.partition("=")[2].strip() for line in section if (found := ENTRY.match(line))}


def _written(parts: list[list[str]]) -> str:
    return "".join(f"{line}\n" for part in parts for line in part)


def with_section(text: str, block: str) -> str:
    """A file in which the sections of a block stand for those of their name and type."""
    parts = sections(text)
    for new in sections(block)[1:]:
        kind = _keys(new).get("type")
        parts = [part for part in parts if _name(part) != _name(new) or _keys(part).get("type") != kind] + [new]
    return _written(parts)


def with_lines(text: str, name: str, block: str, kind: str = "") -> str:
    """A file in whose section of that name, and type, the lines of a block stand for their like."""
    lines = [line for line in block.splitlines() if not HEAD.match(line)]
    keys = _keys(lines)
    parts = sections(text)
    (own,) = [part for part in parts if _name(part) == name and (not kind or _keys(part).get("type") == kind)]
    kept = [line for line in own if not ((found := ENTRY.match(line)) and found[1] in keys)]
    return _written([[*kept, *lines] if part is own else part for part in parts])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
