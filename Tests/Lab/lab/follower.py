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
from .pages import TABLE, Block, Page, check_addresses, replaced, with_settings
from .rempart import Rempart
from .waiting import eventually

if TYPE_CHECKING:
    from conftest import Lab

PASSWORD = "3f0c86a1d2"
START_SECONDS = 30
# The head of a table of fields.
FIELDS = "page | field | value"
# What is typed and cannot be carried out in the lab, with where it is tried instead.
ELSEWHERE = [
    # test_booted.py types the same lines, which README has too.
    r"mkdir -p /etc/sysusers\.d",
    r"printf 'm rempart-db asterisk\\nm rempart-acct asterisk\\n' >/etc/sysusers\.d/rempart-asterisk\.conf",
    r"systemd-sysusers",
    # No FreePBX and no fail2ban is there.
    r"fwconsole firewall trust 10\.0\.0\.1",
    r"fail2ban-client reload",
]


class Follower:
    """One Asterisk and one edge, and whoever changes both as a page says."""

    def __init__(
        self, lab: "Lab", page: Page, kind: Kind, place: str, more: Mapping[str, str], accounts: Mapping[str, str]
    ) -> None:
        self.lab, self.page, self.kind = lab, page, kind
        self.asterisk = lab.asterisk(kind, place, Path("/nowhere"), more, accounts)
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
            # A phone's own, of which there are two.
            "198.51.100.7": "198.18.1.1",
        }
        self.paths = {
            "/etc/asterisk": str(self.folder),
            "/etc/asterisk.before": f"{self.folder}.before",
            "/etc/asterisk.rempart": f"{self.folder}.rempart",
            "/etc/rempart": str(self.edge.folder),
        }
        # Of another one that stood here before.
        for path in (self.paths["/etc/asterisk.before"], self.paths["/etc/asterisk.rempart"]):
            shutil.rmtree(path, ignore_errors=True)
        # What each file takes, by its name on the page.
        self.files: dict[str, Callable[[str], None]] = {"/etc/rempart/rempart.yaml": self.settings}
        # What a field of a web interface does with its value.
        self.fields: dict[str, Callable[[str], None]] = {}
        # What carries out the SQL of a page, and what else its administrator may say.
        self.execute: Callable[[str], object] | None = None
        self.administer: Callable[[str], object] | None = None
        self.data_sources: Path | None = None
        self.commands: list[tuple[str, Callable[[str], str]]] = [
            (r"systemctl restart asterisk", lambda _: self.restart()),
            (r"systemctl enable --now rempart", lambda _: self.start_edge()),
            (r"systemctl disable --now rempart", lambda _: str(self.edge.stop())),
            (r"rempart check --live", lambda _: self.live()),
            (r"rempart (status|accounts|phones|calls|reload)", lambda line: self.ask(*line.split()[1:])),
            (r"(echo|printf) '.*' >>?/etc/(fail2ban|mysql|postgresql)/.*", self.write_by_command),
            (r"cp -a /etc/asterisk /etc/asterisk\.before", self.copy),
            (r"(mv|install -m [0-9]+) .*", lambda line: command("bash", "-ec", line)),
            (r"apt install odbc-(mariadb|postgresql)", self.installed),
            (r"ss .*", lambda line: self.within(line)),
            (r"asterisk -rx '.*'", lambda line: self.asterisk.cli(shlex.split(line)[2])),
            *[(pattern, lambda _: "") for pattern in ELSEWHERE],
        ]
        # The choices of other readers.
        self.skipped: set[str] = set()
        # What happens before a command that looks, beside the page.
        self.before: dict[str, Callable[[], None]] = {}

    # MARK: What the page says

    def translated(self, text: str) -> str:
        text = replaced(text, self.variant)
        check_addresses(text, set(self.addresses))
        text = replaced(text, self.addresses).replace("THE-PASSWORD", PASSWORD)
        return re.sub(r"/(?:etc|var/lib)(?:/[\w.]+)+", self._path, text)

    def _path(self, found: re.Match[str]) -> str:
        """The same file, or folder, in the lab."""
        known = sorted((path for path in self.paths if f"{found[0]}/".startswith(f"{path}/")), key=len)
        return self.paths[known[-1]] + found[0].removeprefix(known[-1]) if known else found[0]

    def follow(self, headings: str = "") -> None:
        """Carries out the blocks below headings that fit, but for those of a label that is skipped."""
        for block in self.page.blocks:
            if re.match(headings, block.heading):
                act = {"": self.type, TABLE: self.fill_in}.get(block.language, self.lay)
                for place, text in block.parts(self.skipped):
                    act(block, place, text)

    def lay(self, block: Block, place: str, text: str) -> None:
        """Writes a file, or carries out statements, which have no file."""
        if block.language == "sql":
            assert self.execute, f"nobody knows the database of it:\n{block}"
            self.execute(self.translated(text))
            return
        assert place in self.files, f"nobody knows what to do with it for `{place}`:\n{block}"
        self.files[place](self.translated(text))

    def type(self, block: Block, _: str, text: str) -> None:
        """Types each line, and looks whether it shows what the comment behind it says, up to a comma and a blank."""
        for line in text.splitlines():
            line, _, comment = (part.strip() for part in line.partition("  #"))
            shown = self.do(line)
            lines = shown.strip().splitlines()
            assert not comment.endswith("and no other address") or len(lines) == 1, f"`{line}` shows others too:\n{shown}"
            words = self.translated(comment.removeprefix("shows ").split(", and ")[0].split(", after ")[0]).split()
            pattern = r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in words)
            assert re.search(pattern, shown), f"`{line}` shows no `{' '.join(words)}`:\n{shown}\n{block}"

    def do(self, line: str) -> str:
        """Types a command of the page, and gives back what it shows."""
        found = [action for pattern, action in self.commands if re.fullmatch(pattern, line)]
        assert found, f"nobody knows how to type `{line}`"
        if line in self.before:
            self.before[line]()
        return found[0](self.translated(line))

    def fill_in(self, block: Block, _: str, text: str) -> None:
        """Gives each field of a web interface its value; other tables tell something."""
        for row in text.splitlines() if block.place == FIELDS else []:
            _, field, value = self.translated(row).split(" | ")
            assert field in self.fields, f"nobody knows the field `{field}`:\n{block}"
            self.fields[field](value)

    # MARK: Files

    def _change(self, name: str, change: Callable[[str], str]) -> None:
        path = self.folder / name
        write(path, change(path.read_text() if path.exists() else ""))

    def write_file(self, name: str) -> Callable[[str], None]:
        """A file that is written whole."""
        return lambda text: self._change(name, lambda _: text)

    def append_to(self, name: str) -> Callable[[str], None]:
        """A file that gets lines at its end."""
        return lambda text: self._change(name, lambda before: before + text)

    def sections_of(self, name: str) -> Callable[[str], None]:
        """A file whose sections are written anew."""
        return lambda text: self._change(name, lambda before: with_section(before, text))

    def lines_of(self, name: str, section: str, kind: str = "") -> Callable[[str], None]:
        """A file in whose section lines stand for their like."""
        return lambda text: self._change(name, lambda before: with_lines(before, section, text, kind))

    def settings(self, text: str) -> None:
        self.edge.write_settings(with_settings(self.edge.settings.read_text(), text))

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

    def live(self) -> str:
        """What is said of the source, which has to be good in all."""
        done = self.edge.run("check", "--live", "--settings", str(self.edge.settings), timeout=60)
        said = done.stdout + done.stderr
        # The lab's own files are where no service sees them.
        warnings = [line for line in said.splitlines() if "warning: " in line and "cannot be seen by the service" not in line]
        assert done.returncode == 0 and not warnings, said
        return said

    def ask(self, *arguments: str) -> str:
        done = self.edge.ask(*arguments)
        assert done.returncode == 0, f"rempart {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def write_by_command(self, line: str) -> str:
        """What a command writes goes to a file of the page as any other does."""
        words, place = re.split(r" >>?", line)
        self.files[place](command("bash", "-ec", words))
        return ""

    def copy(self, line: str) -> str:
        """Copies the files of a folder that has Asterisk's state too, other than in an installation."""
        source, target = (Path(word) for word in line.split()[-2:])
        target.mkdir()
        for path in [*source.glob("*.conf"), *source.glob("*.ini")]:
            shutil.copy2(path, target)
        return ""

    def installed(self, line: str) -> str:
        """Nothing is installed here: it has to be there."""
        return command("dpkg-query", "--status", line.split()[-1])

    def within(self, line: str) -> str:
        """What a command shows on Asterisk's machine."""
        return command("ip", "netns", "exec", self.asterisk.namespace, "bash", "-ec", line)

    def stop(self) -> None:
        self.edge.destroy()
        self.asterisk.stop()
