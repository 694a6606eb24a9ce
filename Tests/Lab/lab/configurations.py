"""Configuration files of Asterisk by chance: what administrators, programs and accidents put into them, from a seed."""

import random
from dataclasses import dataclass

NAMES = [b"type", b"x", b"X", b"secret", b"permit", b"deny", b"a b", b"n\xc3\xa4me", b"\xff", b"", b"x+", b"#x", b"\\x", b"\\#x", b"\\=x"]
SECTIONS = [b"a", b"A", b"b", b"c", b"general", b"100", b"t", b"T", b"", b"n\xc3\xa4me", b" a", b"n" * 79, b"n" * 100, b"a\\;b"]
WORDS = [
    b"1", b"endpoint", b"auth", b"peer", b"p:a:ss", b'"quoted"', b"'single'", b"a\\;b", b"a;b", b"a\\\\;b", b"\\n\\t", b"=", b">",
    b"a=b", b"a,b", b"#data", b"[x]", b"(y)", b"gr\xc3\xbc\xc3\x9fe", b"\xfe\xff\xc3(", b"\x01", b"\x7f", b"-", b"--", b";--", b"--;",
    b";---", b"\\", b"${VAR}", b"^3B", b"{a,b}", b"", b" ", b"\t",
]  # fmt: skip
OPERATORS = [b"=", b"=", b"=", b" = ", b"=>", b" => ", b"+=", b" += ", b"+=>", b"= >", b"+ =", b" "]
OPTIONS = [b"!", b"a", b"b", b"t", b"T"] * 6 + [b"", b" a", b"nowhere", b"+", b"+type=^e", b"+x=1&type=.", b"+TEMPLATES=include"]
CONTINUED = [b"a", b"A", b"b"] * 3 + [b"t", b"", b"c"]
COMMENTS = [b"", b"", b"", b"", b"; c", b" ;c", b";--", b"--;", b";-- c --;", b";---", b"\\;", b";--;", b";----;"]
ODD = [b"", b"", b"junk", b"junk", b";--", b"--;", b"; c", b"=", b"+=", b"\\x=1", b"\\", b"\\ =", b"[", b"[a](", b"[a"]
ENDS = [b"\n"] * 12 + [b"\r\n", b"\r\n", b"\r", b"\n\n", b" \n", b"\x00\n", b""]
LONG = [4_000, 8_186, 8_187, 8_188, 8_189, 8_190, 8_191, 9_000, 16_382, 16_390]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
INCLUDED = ["i0", "i1", "d/1.conf", "d/2.conf"]


@dataclass(frozen=True)
class Configuration:
    """The files of one case by their names below its own folder; "main" includes the others."""

    folder: str
    files: dict[str, bytes]

    @property
    def main(self) -> str:
        return f"{self.folder}/main"


class Generator:
    """One case after the other; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = ""

    def configuration(self, folder: str) -> Configuration:
        """A case whose files are to stand in a folder below Asterisk's own."""
        self.folder = folder
        names = self.chance.sample(INCLUDED, self.chance.choice([0, 0, 1, 2, 4]))
        files = {name: self._file(self.chance.randrange(8), []) for name in names}
        files["main"] = self._file(self.chance.randrange(1, 25), ["main", *names])
        return Configuration(folder, files)

    def _file(self, lines: int, included: list[str]) -> bytes:
        text = BYTE_ORDER_MARK if self.chance.random() < 0.05 else b""
        if self.chance.random() < 0.9:
            text += b"[a]\n"
        if self.chance.random() < 0.7:
            text += b"type=endpoint\n[t](!)\nx=1\ntype=auth\n[b]\n"
        text += b"".join(self._line(included) + self.chance.choice(ENDS) for _ in range(lines))
        return self._damaged(text) if self.chance.random() < 0.15 else text

    def _line(self, included: list[str]) -> bytes:
        kind = self.chance.random()
        if kind < 0.25:
            line = self._header()
        elif kind < 0.32:
            line = self._directive(included)
        elif kind < 0.96:
            line = self._variable()
        else:
            line = self.chance.choice(ODD)
        return self.chance.choice([b"", b"", b"", b" ", b"\t"]) + line + self.chance.choice(COMMENTS)

    def _header(self) -> bytes:
        if self.chance.random() < 0.2:
            return b"[" + self.chance.choice(CONTINUED) + b"](" + self.chance.choice([b"+", b"+", b"+", b"!,+", b"t,+", b"+,t"]) + b")"
        name = self.chance.choice(SECTIONS)
        options = [self.chance.choice(OPTIONS) for _ in range(self.chance.choice([0, 0, 0, 1, 1, 1, 2, 3]))]
        tail = b"(" + b",".join(options) + b")" if options else b""
        return b"[" + name + b"]" + tail + self.chance.choice([b"", b"", b"", b" ", b"junk"])

    def _variable(self) -> bytes:
        value = b"".join(self.chance.choice(WORDS) for _ in range(self.chance.choice([0, 1, 1, 1, 2, 3])))
        if self.chance.random() < 0.02:
            value += b"y" * (self.chance.choice(LONG) - len(value))
        return self.chance.choice(NAMES) + self.chance.choice(OPERATORS) + value

    def _directive(self, included: list[str]) -> bytes:
        word = self.chance.choice([b"#include", b"#tryinclude", b"#tryinclude", b"#TryInclude", b"#exec", b"#other", b"#", b"# include"])
        names = [*included * 3, "d/*.conf", "d/[12].conf", "d/{2,1}.conf"] * 2 + ["nowhere", "none*", "d", "", "i0 "]
        name = f"{self.folder}/{self.chance.choice(names)}".encode()
        quotes = self.chance.choice([(b"", b""), (b"", b""), (b'"', b'"'), (b"<", b">"), (b'"', b""), (b"<", b'"')])
        return word + self.chance.choice([b" ", b"\t", b"  "]) + quotes[0] + name + quotes[1]

    def _damaged(self, text: bytes) -> bytes:
        """The text with a few bytes changed, put in or taken out."""
        for _ in range(self.chance.choice([1, 1, 2, 5])):
            place = self.chance.randrange(len(text) + 1)
            put_in = self.chance.choice([b"", bytes([self.chance.randrange(256)]), self.chance.choice([b";", b"\\", b"(", b"=", b"\x00"])])
            text = text[:place] + put_in + text[place + self.chance.choice([0, 1, 1, 3]) :]
        return text
