"""The pages of docs that an administrator follows, as the lab reads them: each fenced block with what it is for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .rempart import CHECKOUT

HEADING = re.compile(r"^#+ (.*)")
# A word at the begin of a paragraph that says for whom it and what follows is, until the next one or a heading.
LABEL = re.compile(r"^\*\*(.+?)\*\*")
PLACE = re.compile(r"`(/etc/[^`]+)`")
# A line that begins a part of a block, and the end of a line that is for some readers alone.
PART = re.compile(r"^(?:;|#|--) (.+)$")
OWN_LINE = re.compile(r"^(.*?) +(?:;|#|--) ([^'\"]+)$")
# What a reader has or has not. Without one of these a comment says what its part is for.
CHOICES = {"PJSIP", "chan_sip", "MariaDB", "PostgreSQL", "SQLite", "One machine", "Two machines", "ARI", "Database"}
TABLE = "table"
ADDRESS = re.compile(r"(?<![\d.])\d+\.\d+\.\d+\.\d+(?![\d.])")
# What stands on a page for itself, beside masks; the last is a network that nobody has.
OWN = {"127.0.0.1", "0.0.0.0", "192.0.2.0"}


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is for is the last file that the paragraph before it names."""

    page: str
    line: int
    heading: str
    label: str
    language: str
    place: str
    text: str

    @property
    def choices(self) -> set[str]:
        """Those that the block tells apart."""
        return {choice for choice in CHOICES if self.label == choice or re.search(rf"[;#-] {choice}\b|, {choice}$", self.text, re.MULTILINE)}

    def parts(self, skipped: set[str]) -> Iterator[tuple[str, str]]:
        """What is to be done, with what each part is for; without what is for readers of the skipped choices alone."""
        place, lines, is_ours = self.place, [], self.label not in skipped
        for line in [*self.text.splitlines(), "; "]:
            begun = PART.match(line)
            if not begun and line != "; ":
                own = OWN_LINE.match(line)
                choices = set(own[2].split(", ")) if own else set()
                is_own = bool(choices) and choices <= CHOICES
                if is_ours and not (is_own and choices <= skipped):
                    lines.append(own[1] if own and is_own else line)
                continue
            if lines:
                yield place, "".join(f"{each}\n" for each in lines)
            lines, (choice, _, rest) = [], (begun[1] if begun else "").partition(": ")
            is_ours = choice not in skipped and self.label not in skipped
            if choice in CHOICES:
                place = rest or self.place
            else:
                place = choice if choice.startswith("/") else f"{self.place}: {choice}"

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.language or 'commands'} {self.place}\n{self.text}"


@dataclass(frozen=True)
class Page:
    """A page's blocks, and the rows of its tables by their first line."""

    blocks: list[Block]
    tables: Mapping[str, list[list[str]]]

    @property
    def choices(self) -> set[str]:
        """What it tells apart of what a reader has."""
        return {choice for block in self.blocks for choice in block.choices}


def read_page(name: str) -> Page:
    """A page of docs."""
    blocks: list[Block] = []
    tables: dict[str, list[list[str]]] = {}
    heading = label = place = fence = ""
    is_open, is_ended = False, True
    begun, lines, rows, paragraph, head = 0, [], None, [], ""
    for number, line in enumerate((CHECKOUT / "docs" / name).read_text().splitlines(), 1):
        if line.startswith("```"):
            if is_open:
                blocks.append(Block(name, begun, heading, label, fence, place, "".join(f"{each}\n" for each in lines)))
            else:
                places = PLACE.findall(" ".join(paragraph))
                place = places[-1] if places else ""
                paragraph = []
                begun, fence, lines, is_ended = number, line.removeprefix("```"), [], True
            is_open = not is_open
            continue
        if is_open:
            lines.append(line)
            continue
        if line.startswith("|"):
            cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
            if rows is None:
                head, rows = " | ".join(cells), []
                tables[head] = rows
            elif set(line) - set("|-"):
                rows.append(cells)
            continue
        if rows is not None:
            text = "".join(f"{' | '.join(row)}\n" for row in rows)
            blocks.append(Block(name, number, heading, label, TABLE, head, text))
        rows = None
        if found := HEADING.match(line):
            heading, label = found[1], ""
        if not line.strip():
            is_ended = True
            continue
        if is_ended:
            paragraph, is_ended = [], False
        if not paragraph and (found := LABEL.match(line)):
            label = found[1]
        paragraph.append(line)
    assert not is_open, f"{name}:{begun}: a block without an end"
    return Page(blocks, tables)


def replaced(text: str, words: Mapping[str, str]) -> str:
    """A text with each of these words replaced at once, where it is no part of a longer number or name."""
    longest = sorted(words, key=len, reverse=True)
    pattern = "|".join(re.escape(word) for word in longest)
    return re.sub(rf"(?<![\w.])(?:{pattern})(?!\w|\.\d)", lambda found: words[found[0]], text) if words else text


def with_settings(before: str, text: str) -> str:
    """Settings that a page gives as a whole, or by the lines of one key that stand for those before."""
    key = text.split(":")[0]
    whole = text if key == "domains" else re.sub(rf"(?ms)^{key}:.*?(?=^\w|\Z)", text, before)
    assert whole != before, f"the settings have no {key}:\n{before}"
    return whole


def check_addresses(text: str, known: set[str]) -> None:
    """Every address that a page names has one in the lab."""
    unknown = {found for found in ADDRESS.findall(text) if not found.startswith("255.")} - known - OWN
    assert not unknown, f"the lab has nothing for {sorted(unknown)} in:\n{text}"
