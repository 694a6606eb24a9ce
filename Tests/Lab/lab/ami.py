"""Asterisk's manager interface (AMI): one login, and what the running Asterisk has read from its own files."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from .asterisk import Asterisk
from .namespaces import entered
from .waiting import eventually

PORT = 5038
USER = "lab"
SECRET = "lab-secret"
MANAGER_CONF = f"""
[general]
enabled=yes
bindaddr=127.0.0.1
port={PORT}
[{USER}]
secret={SECRET}
read=none
write=system,config
"""
# Values are bytes: one character each.
ENCODING = "latin-1"


@dataclass
class ReadSection:
    """A section as Asterisk holds it: its lines are "name=value", in order."""

    name: str
    is_template: bool = False
    lines: list[str] = field(default_factory=list)


class Manager:
    """A session at one Asterisk that was started with MANAGER_CONF."""

    def __init__(self, asterisk: Asterisk) -> None:
        with entered(asterisk.namespace):
            self.socket = eventually(self._connected, f"AMI of {asterisk.kind}")
        self.socket.settimeout(30)
        self.received = b""
        self._until(b"\r\n")
        answer = self.ask(f"Action: Login\r\nUsername: {USER}\r\nSecret: {SECRET}\r\nEvents: off")
        assert "Response: Success" in answer, answer

    @staticmethod
    def _connected() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", PORT), timeout=5)
        except OSError:
            return None

    def _until(self, end: bytes) -> bytes:
        while end not in self.received:
            more = self.socket.recv(1 << 16)
            assert more, "AMI closed the connection"
            self.received += more
        answer, self.received = self.received.split(end, 1)
        return answer

    def ask(self, action: str) -> str:
        """The next answer to an action, without the empty line that ends both."""
        self.socket.sendall(f"{action}\r\n\r\n".encode(ENCODING))
        return self._until(b"\r\n\r\n").decode(ENCODING)

    def configuration(self, filename: str) -> list[ReadSection] | str:
        """What Asterisk reads in one of its files, templates too; its complaint when it takes nothing of it."""
        answer = self.ask(f"Action: GetConfig\r\nFilename: {filename}\r\nFilter: TEMPLATES=include")
        lines = answer.split("\r\n")
        message = next((line.removeprefix("Message: ") for line in lines if line.startswith("Message: ")), "")
        return message or list(_sections(lines))

    def listed(self, action: str) -> list[dict[str, str]]:
        """The events that answer an action with a list, but for the last one, which ends it."""
        answer = self.ask(f"Action: {action}")
        assert "Response: Success" in answer, answer
        events: list[dict[str, str]] = []
        while True:
            lines = self._until(b"\r\n\r\n").decode(ENCODING).split("\r\n")
            event = dict(line.split(": ", 1) for line in lines if ": " in line)
            if event.get("EventList") == "Complete":
                return events
            events.append(event)

    def close(self) -> None:
        self.socket.close()


def _sections(lines: list[str]) -> Iterator[ReadSection]:
    section: ReadSection | None = None
    for line in lines:
        found = re.match(r"(Category|IsTemplate|Line)-\d+(?:-\d+)?: (.*)", line, re.DOTALL)
        if not found:
            continue
        kind, text = found.groups()
        if kind == "Category":
            if section:
                yield section
            section = ReadSection(text)
            continue
        assert section, line
        if kind == "IsTemplate":
            section.is_template = True
        else:
            section.lines.append(text)
    if section:
        yield section
