"""The edge as `make install` and systemd have it, on a booted machine: its files, its unit, its journal."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from .accounts import CHAN_SIP, Account, make_database
from .booted import SEEN_CHECKOUT, SEEN_SHARED, Machine
from .certificates import end_certificate, make_certificate
from .clients import clients_of
from .namespaces import EDGE_INSIDE, EDGE_OUTSIDE
from .waiting import eventually

SETTINGS = "/etc/rempart/rempart.yaml"
CERTIFICATE, KEY = "/etc/rempart/fullchain.pem", "/etc/rempart/privkey.pem"
DATABASE = "/var/lib/asterisk/realtime.sqlite3"
PHONE = "198.18.2.31"
# What `systemctl edit` makes of rempart.socket for these settings.
SOCKETS = f"""[Socket]
ListenDatagram=
ListenStream=
ListenDatagram={EDGE_OUTSIDE}:5060
ListenStream={EDGE_OUTSIDE}:5060
ListenStream={EDGE_OUTSIDE}:5061
ListenDatagram={EDGE_INSIDE}:5060
"""


def typed_blocks(text: str) -> list[str]:
    """The blocks of a document that are to be typed: those of no other language."""
    return [block for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if not language]


class Installed:
    """Rempart on a machine; `restore` brings back what an administrator wants it to be."""

    def __init__(self, machine: Machine, domain: str, accounts: Mapping[str, Account]) -> None:
        self.machine = machine
        self.domain = domain
        self.accounts = accounts
        self.client = clients_of(machine.network, domain)
        self.marked = 0
        # Debian's Asterisk keeps its database for itself and its group.
        machine.shell("getent passwd asterisk || useradd --system --user-group asterisk")
        make_database(machine.shared / "realtime.sqlite3", CHAN_SIP, accounts.values())
        self._certificate("edge")

    def install(self) -> str:
        """What `make install` says."""
        return self.machine.do("make", "-C", SEEN_CHECKOUT, "--no-print-directory", "install")

    def _certificate(self, label: str) -> tuple[Path, Path]:
        return make_certificate(self.machine.shared, self.domain, [EDGE_OUTSIDE], label)

    def renew_certificate(self) -> None:
        """Lays a new certificate in the old one's place, which names renewed.test."""
        certificate, key = make_certificate(self.machine.shared, "renewed.test", [EDGE_OUTSIDE], "renewed")
        self._take(certificate, key)

    def _take(self, certificate: Path, key: Path) -> None:
        self.machine.shell(f"cp {SEEN_SHARED}/{certificate.name} {CERTIFICATE}; cp {SEEN_SHARED}/{key.name} {KEY}")

    def take_expired_certificate(self) -> None:
        certificate, key = self._certificate("expired")
        end_certificate(certificate, key)
        self._take(certificate, key)

    def take_foreign_key(self) -> None:
        """Half a renewal: the key is another certificate's."""
        _, key = self._certificate("other")
        self.machine.shell(f"cp {SEEN_SHARED}/{key.name} {KEY}")

    def settings(self, **other: str) -> str:
        """Good settings, with the lines of a key replaced."""
        lines = {
            "domains": f"[{self.domain}]",
            "outside": f"[udp://{EDGE_OUTSIDE}:5060, tcp://{EDGE_OUTSIDE}:5060, tls://{EDGE_OUTSIDE}:5061]",
            "inside": f"[udp://{EDGE_INSIDE}:5060]",
            "asterisk": "{servers: ['198.19.0.10:5060']}",
            "accounts": f"{{source: 'sqlite://{DATABASE}'}}",
            "tls": f"{{certificate: {CERTIFICATE}, key: {KEY}}}",
        }
        return "".join(f"{key}: {value}\n" for key, value in (lines | other).items())

    def restore(self) -> None:
        """Everything as it should be, and the edge running; what it keeps is forgotten."""
        self.systemctl("stop", "rempart.socket", "rempart.service")
        self.systemctl("disable", "rempart.socket")
        self.machine.shell(
            "rm -rf /etc/systemd/system/rempart* /etc/sysusers.d/rempart* /var/lib/rempart/*;"
            f"install -D -m 0644 {SEEN_SHARED}/realtime.sqlite3 {DATABASE}; chmod 0755 {DATABASE.rpartition('/')[0]};"
            f"install -m 0644 {SEEN_SHARED}/edge.crt {CERTIFICATE}; install -m 0600 {SEEN_SHARED}/edge.key {KEY};"
            "systemctl daemon-reload; systemctl reset-failed"
        )
        self.machine.write(SETTINGS, self.settings())
        self.mark()
        self.machine.do("systemctl", "start", "rempart")

    def systemctl(self, *arguments: str) -> str:
        """What systemctl says, whether it succeeds or not."""
        return self.machine.run("systemctl", *arguments).stdout

    def drop_in(self, unit: str, text: str) -> None:
        self.machine.write(f"/etc/systemd/system/{unit}.d/lab.conf", text)
        self.machine.do("systemctl", "daemon-reload")

    def unit(self, what: str, name: str = "rempart.service") -> str:
        """A property of a unit, as `systemctl show` has it."""
        return self.machine.do("systemctl", "show", "--value", "--property", what, name).strip()

    def wait_active(self, seconds: float = 10) -> None:
        eventually(lambda: self.unit("ActiveState") == "active", lambda: f"active:\n{self.story()}", seconds)

    def rows(self, name: str):
        """A table of the command line."""
        return json.loads(self.machine.do("rempart", name, "--json"))

    def pid(self, component: str) -> int:
        return next(each["pid"] for each in self.rows("status")["components"] if each["name"] == component)

    def phones(self) -> list[str]:
        return sorted(phone["account"] for phone in self.rows("phones"))

    def wait_kept(self, account: str) -> None:
        """Waits until a phone's registration is on the disk, which is so once a second."""
        kept = ["grep", "-rlF", f"sip:{account}@", "/var/lib/rempart/directory"]
        eventually(lambda: self.machine.run(*kept).returncode == 0, lambda: f"{account} is kept:\n{self.story()}")

    def register(self, account: str = "1001", transport: str = "udp") -> int:
        """The status that a phone gets for its password, 0 for none."""
        with self.client(PHONE, transport) as phone:
            return phone.register(self.accounts[account])

    def mark(self) -> None:
        """What the journal has now is not news any more."""
        newest = self._journal("-n", "1")
        self.marked = int(newest[0]["__REALTIME_TIMESTAMP"]) if newest else 0

    def _journal(self, *arguments: str) -> list[dict[str, str]]:
        self.machine.do("journalctl", "--sync")
        shown = self.machine.do("journalctl", "-q", "-o", "json", *arguments)
        return [json.loads(line) for line in shown.splitlines()]

    def records(self, *matches: str) -> list[dict[str, str]]:
        """The records since the mark that journalctl finds by these arguments.

        journalctl's own --after-cursor leaves out the first match of all, where the cursor is no match.
        """
        return [record for record in self._journal(*matches) if int(record["__REALTIME_TIMESTAMP"]) > self.marked]

    def messages(self, *matches: str) -> list[str]:
        return [record["MESSAGE"] for record in self.records(*matches)]

    def story(self) -> str:
        """What somebody wants to read when it went wrong."""
        return self.machine.run("bash", "-c", "systemctl status -n 0 rempart; journalctl -qu rempart -n 40 -o cat").stdout
