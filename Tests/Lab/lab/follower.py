"""An administrator who follows a page of docs to the letter: lays its files, types its commands, and looks at what they show."""

import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .asterisk import Kind
from .ini import with_lines, with_section, write
from .namespaces import EDGE_INSIDE, EDGE_OUTSIDE, PBX_MEDIA, command
from .pages import Block, Page, check_addresses, replaced
from .rempart import Rempart
from .waiting import eventually

if TYPE_CHECKING:
    from conftest import Lab

PASSWORD = "3f0c86a1d2"
START_SECONDS = 30
# What is typed and cannot be carried out in the lab, with where it is tried instead.
ELSEWHERE = [
    # test_booted.py types the same lines, which README has too.
    r"mkdir -p /etc/sysusers\.d",
    r"printf 'm rempart-db asterisk\\nm rempart-acct asterisk\\n' >/etc/sysusers\.d/rempart-asterisk\.conf",
    r"systemd-sysusers",
]


class Follower:
    """One Asterisk and one edge, and whoever changes both as a page says."""

    def __init__(self, lab: "Lab", page: Page, kind: Kind, place: str, namespace: str, more: Mapping[str, str]) -> None:
        self.lab, self.page, self.kind = lab, page, kind
        self.asterisk = lab.asterisk(kind, place, Path("/nowhere"), more, {})
        if namespace != self.asterisk.namespace:
            # On the edge's own machine.
            self.asterisk.namespace, self.asterisk.sees_edge_at = namespace, place
        self.folder = self.asterisk.folder
        self.edge: Rempart = lab.rempart("")
        # The page's own words, and those of the lab in their place.
        self.variant: dict[str, str] = {}
        self.addresses = {
            "sip.example.com": lab.domain,
            "203.0.113.5": EDGE_OUTSIDE,
            "203.0.113.10": PBX_MEDIA.get(place, place),
            "10.0.0.1": EDGE_INSIDE,
            "10.0.0.10": place,
        }
        self.paths = {
            "/etc/asterisk": str(self.folder),
            "/etc/asterisk.before": f"{self.folder}.before",
            "/etc/asterisk.rempart": f"{self.folder}.rempart",
            "/etc/rempart": str(self.edge.folder),
        }
        # What each file takes, by its name on the page.
        self.files: dict[str, Callable[[str], None]] = {"/etc/rempart/rempart.yaml": self.settings}
        self.commands: list[tuple[str, Callable[[str], str]]] = [
            (r"systemctl restart asterisk", lambda _: self.restart()),
            (r"systemctl enable --now rempart", lambda _: self.start_edge()),
            (r"systemctl disable --now rempart", lambda _: str(self.edge.stop())),
            (r"rempart check --live", lambda _: self.run("check", "--live", "--settings", str(self.edge.settings))),
            (r"rempart (status|accounts|phones|calls|reload)", lambda line: self.ask(*line.split()[1:])),
            (r"cp -a /etc/asterisk /etc/asterisk\.before", self.copy),
            (r"(mv|install -m 600) .*", lambda line: command("bash", "-ec", line)),
            (r"ss .*", lambda line: self.within(line)),
            (r"asterisk -rx '.*'", lambda line: self.asterisk.cli(shlex.split(line)[2])),
            *[(pattern, lambda _: "") for pattern in ELSEWHERE],
        ]
        # The labels of what is for other readers.
        self.skipped: set[str] = set()
        self.shown = ""
        self.done: list[Block] = []
        # What happens before a command that looks, beside the page.
        self.before: dict[str, Callable[[], None]] = {}

    # MARK: What the page says

    def translated(self, text: str) -> str:
        text = replaced(text, self.variant)
        check_addresses(text, set(self.addresses))
        text = replaced(text, self.addresses).replace("PASSWORD", PASSWORD)
        return re.sub(r"/etc/[\w.]+", lambda found: self.paths.get(found[0], found[0]), text)

    def follow(self, headings: str = "") -> None:
        """Carries out the blocks below headings that fit, but for those of a label that is skipped."""
        for block in self.page.blocks:
            if re.match(headings, block.heading) and block.label not in self.skipped:
                self.done.append(block)
                {"ini": self.lay, "yaml": self.lay, "sql": self.lay, "": self.type, "text": self.see}[block.language](block)

    def lay(self, block: Block) -> None:
        """Writes a block's parts, each of which a comment may begin that names its file or what it is for."""
        place, lines = block.place, []
        for line in [*block.text.splitlines(), "; "]:
            comment = re.match(r"[;#] ?(.*)", line)
            if not comment:
                # A line may be for some readers alone.
                own = re.fullmatch(r"(.*?) +# (.*) alone", line)
                lines += [own[1] if own else line] if not own or own[2] not in self.skipped else []
                continue
            if lines:
                assert place in self.files, f"nobody knows what to do with {place}:\n{block}"
                self.files[place](self.translated("".join(f"{each}\n" for each in lines)))
            lines, place = [], comment[1] if comment[1].startswith("/") else f"{block.place}: {comment[1]}"

    def type(self, block: Block) -> None:
        for line in block.text.splitlines():
            found = [action for pattern, action in self.commands if re.fullmatch(pattern, line)]
            assert found, f"nobody knows how to type `{line}`:\n{block}"
            if line in self.before:
                self.before[line]()
            typed = self.translated(line)
            self.shown = found[0](typed)

    def see(self, block: Block) -> None:
        """Each line is among those that the last command has shown; `...` stands for anything."""
        for line in self.translated(block.text).splitlines():
            pattern = r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in line.split())
            assert re.search(pattern, self.shown), f"`{line}` is not in:\n{self.shown}\n{block}"

    # MARK: Files

    def _change(self, name: str, change: Callable[[str], str]) -> None:
        path = self.folder / name
        write(path, change(path.read_text() if path.exists() else ""))

    def write_file(self, name: str) -> Callable[[str], None]:
        """A file that is written whole."""
        return lambda text: self._change(name, lambda _: text)

    def sections_of(self, name: str) -> Callable[[str], None]:
        """A file whose sections are written anew."""
        return lambda text: self._change(name, lambda before: with_section(before, text))

    def lines_of(self, name: str, section: str, kind: str = "") -> Callable[[str], None]:
        """A file in whose section lines stand for their like."""
        return lambda text: self._change(name, lambda before: with_lines(before, section, text, kind))

    def settings(self, text: str) -> None:
        """The whole file, or the lines of one of its keys."""
        key = text.split(":")[0]
        before = self.edge.settings.read_text()
        whole = text if key == "domains" else re.sub(rf"(?ms)^{key}:.*?(?=^\w|\Z)", text, before)
        assert whole != before, f"the settings have no {key}:\n{before}"
        self.edge.write_settings(whole)

    # MARK: Commands

    def restart(self) -> str:
        self.asterisk.stop()
        self.asterisk.start()
        return ""

    def start_edge(self) -> str:
        self.edge.start()
        eventually(
            lambda: any(server["state"] == "up" for server in self.edge.status()["asterisk"]),
            lambda: f"an Asterisk is up: {self.edge.status()}",
            START_SECONDS,
        )
        return ""

    def run(self, *arguments: str) -> str:
        done = self.edge.run(*arguments, timeout=60)
        assert done.returncode == 0, f"rempart {arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def ask(self, *arguments: str) -> str:
        done = self.edge.ask(*arguments)
        assert done.returncode == 0, f"rempart {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def copy(self, line: str) -> str:
        """Copies the files of a folder that has Asterisk's state too, other than in an installation."""
        source, target = (Path(word) for word in line.split()[-2:])
        target.mkdir()
        for path in source.glob("*.conf"):
            shutil.copy2(path, target)
        return ""

    def within(self, line: str) -> str:
        """What a command shows on Asterisk's machine."""
        return command("ip", "netns", "exec", self.asterisk.namespace, "bash", "-ec", line)

    def stop(self) -> None:
        self.edge.destroy()
        self.asterisk.stop()
