"""Certificates as they live: several by name, renewed without a command, and what is half written meanwhile."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Lab
from lab.accounts import CHAN_SIP, make_database
from lab.certificates import make_certificate
from lab.namespaces import EDGE_OUTSIDE, entered
from lab.rempart import Rempart
from lab.waiting import eventually

# Promised within 10 s.
RENEWAL_SECONDS = 30
# 300 in `make soak`; the shorter run finds what grows with each reload too.
RELOADS = int(os.environ.get("REMPART_RELOADS", "60"))


class Lineage:
    """A certificate as certbot keeps it: live/NAME holds links into archive/NAME, and both folders are 0700."""

    def __init__(self, folder: Path, name: str, kind: str = "ec") -> None:
        self.name, self.kind = name, kind
        self.live, self.archive = folder / "live" / name, folder / "archive" / name
        for parent in (self.live, self.archive):
            parent.mkdir(parents=True)
            parent.chmod(0o700)
        self.number = 0
        self.renew()

    @property
    def certificate(self) -> Path:
        return self.live / "fullchain.pem"

    @property
    def key(self) -> Path:
        return self.live / "privkey.pem"

    def item(self) -> str:
        return f"{{certificate: {self.certificate}, key: {self.key}}}"

    def write(self) -> tuple[Path, Path]:
        """The next certificate with its key, which nothing leads to yet."""
        self.number += 1
        made = make_certificate(self.archive, self.name, [], f"new{self.number}", self.kind)
        paths = self.archive / f"fullchain{self.number}.pem", self.archive / f"privkey{self.number}.pem"
        for old, new in zip(made, paths):
            old.rename(new)
        return paths

    def lead(self, link: Path, target: Path) -> None:
        """Leads a link elsewhere, as certbot does: it is removed, then made anew."""
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))

    def renew(self) -> None:
        certificate, key = self.write()
        self.lead(self.certificate, certificate)
        self.lead(self.key, key)

    def serial(self) -> str:
        done = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", str(self.certificate)], text=True, capture_output=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def lineages(lab: Lab) -> list[Lineage]:
    folder = lab.new_folder("letsencrypt")
    folder.chmod(0o700)
    return [Lineage(folder, lab.domain), Lineage(folder, "voice.test")]


@pytest.fixture
def edge(lab: Lab, lineages: list[Lineage]) -> Iterator[Rempart]:
    yield from edge_of(lab, lineages)


def edge_of(lab: Lab, lineages: list[Lineage]) -> Iterator[Rempart]:
    settings = lab.settings(lab.new_folder("db") / "realtime.sqlite3", CHAN_SIP, ["198.19.0.10"])
    make_database(settings.database, CHAN_SIP, lab.accounts.values())
    one = f"tls:\n  certificate: {settings.certificate}\n  key: {settings.key}\n"
    text = settings.text().replace(one, f"tls:\n  certificates: [{', '.join(each.item() for each in lineages)}]\n")
    edge = lab.rempart(text)
    edge.start()
    yield edge
    edge.destroy()


def shown(lab: Lab, name: str = "", *more: str) -> str:
    """The serial number of the certificate that `openssl s_client` is shown; empty when there is none."""
    asked = ["-servername", name] if name else ["-noservername"]
    with entered(lab.network.clients):
        hello = subprocess.run(
            ["openssl", "s_client", "-connect", f"{EDGE_OUTSIDE}:5061", *asked, *more],
            input="", text=True, capture_output=True, check=False, timeout=20,
        )
    done = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=hello.stdout, text=True, capture_output=True, check=False)
    return done.stdout.strip()


def is_shown(lab: Lab, lineage: Lineage, seconds: float = RENEWAL_SECONDS) -> None:
    eventually(lambda: shown(lab, lineage.name) == lineage.serial(), f"the new certificate of {lineage.name} is served", seconds, every=0.3)


def conditions(edge: Rempart) -> list[str]:
    return [each["text"] for each in edge.status()["conditions"] if each["kind"] == "certificate"]


def count(edge: Rempart, words: str) -> int:
    return edge.log().count(words)


def test_each_name_has_its_certificate_and_status_lists_them(lab: Lab, edge: Rempart, lineages: list[Lineage]) -> None:
    first, second = lineages
    for version in ("-tls1_2", "-tls1_3"):
        assert shown(lab, first.name, version) == first.serial()
        assert shown(lab, second.name, version) == second.serial()
        assert shown(lab, "unknown.test", version) == shown(lab, "", version) == first.serial()
    rows = edge.status()["certificates"]
    assert [row["names"] for row in rows] == [[first.name], [second.name]]
    assert [row["file"] for row in rows] == [str(first.certificate), str(second.certificate)]
    assert all(row["daysLeft"] in (29, 30) and row["unused"] == "" for row in rows)
    text = edge.ask("status").stdout
    assert "DAYS LEFT" in text and second.name in text


def test_a_renewal_is_seen_without_a_command_and_phones_stay_connected(lab: Lab, edge: Rempart, lineages: list[Lineage]) -> None:
    first, second = lineages
    with lab.client("198.18.2.36", "tls") as phone:
        assert phone.register(lab.accounts["1001"]) == 200
        before = second.serial()
        pid = edge.component("tls-terminator")["pid"]
        first.renew()
        is_shown(lab, first)
        assert shown(lab, second.name) == before, "the other one stays"
        assert phone.register(lab.accounts["1001"]) == 200, "the phone's connection goes on"
    assert count(edge, f"certificate CN={first.name}") == 2, edge.log()
    assert count(edge, f"certificate CN={second.name}") == 1
    assert edge.component("tls-terminator")["pid"] == pid and not conditions(edge)
    # Written over in place, and by a folder that is swapped whole, as others do it.
    made = make_certificate(lab.new_folder("pair"), second.name, [], "over")
    for path, new in zip((second.certificate, second.key), made):
        path.resolve().write_bytes(new.read_bytes())
    is_shown(lab, second)
    folder = second.live.with_name("swapped")
    shutil.copytree(second.live, folder, symlinks=True)
    certificate, key = second.write()
    second.lead(folder / "fullchain.pem", certificate)
    second.lead(folder / "privkey.pem", key)
    second.live.rename(second.live.with_name("old"))
    folder.rename(second.live)
    is_shown(lab, second)
    # The next process begins with what is served now.
    edge.kill_component("tls-terminator")
    assert shown(lab, first.name) == first.serial() and shown(lab, second.name) == second.serial()


def test_half_a_renewal_leaves_the_old_pair_in_use_until_it_is_whole(lab: Lab, edge: Rempart, lineages: list[Lineage]) -> None:
    first = lineages[0]
    old = first.serial()
    certificate, key = first.write()
    first.lead(first.certificate, certificate)
    eventually(lambda: any("the one of before stays" in text and "tls.certificates[1].key" in text for text in conditions(edge)), "half of it is told", RENEWAL_SECONDS)
    assert shown(lab, first.name) == old
    # Not again at each look.
    seconds = time.monotonic() + 7
    while time.monotonic() < seconds:
        assert shown(lab, first.name) == old
    assert count(edge, "the key does not match") == 1, edge.log()
    first.lead(first.key, key)
    is_shown(lab, first)
    eventually(lambda: not conditions(edge), "nothing is wrong any more")


def test_the_key_may_come_three_seconds_after_the_certificate(lab: Lab, edge: Rempart, lineages: list[Lineage]) -> None:
    first = lineages[0]
    certificate, key = first.write()
    first.lead(first.certificate, certificate)
    time.sleep(3)
    first.lead(first.key, key)
    is_shown(lab, first)
    eventually(lambda: not conditions(edge), "nothing is wrong any more")
    assert count(edge, f"certificate CN={first.name}") == 2


def test_an_emptied_archive_leaves_the_old_pair_in_use_also_in_a_reload(lab: Lab, edge: Rempart, lineages: list[Lineage]) -> None:
    first = lineages[0]
    old = first.serial()
    for file in first.archive.iterdir():
        file.unlink()
    eventually(lambda: any(str(first.certificate) in text and "before stays" in text for text in conditions(edge)), "the missing file is told", RENEWAL_SECONDS)
    assert shown(lab, first.name) == old
    done = edge.ask("reload")
    assert done.returncode == 1 and "pair of before stays in use" in done.stderr + done.stdout
    assert shown(lab, first.name) == old
    edge.kill_component("tls-terminator")
    assert shown(lab, first.name) == old
    first.renew()
    is_shown(lab, first)
    eventually(lambda: not conditions(edge), "nothing is wrong any more")


def test_a_reload_takes_a_renewed_pair_at_once(lab: Lab, edge: Rempart, lineages: list[Lineage]) -> None:
    lineages[1].renew()
    done = edge.ask("reload")
    assert done.returncode == 0, done.stderr
    assert shown(lab, lineages[1].name) == lineages[1].serial()


def test_an_rsa_certificate_stands_beside_one_of_ec_for_one_name(lab: Lab) -> None:
    folder = lab.new_folder("kinds")
    ec, rsa = Lineage(folder / "ec", lab.domain), Lineage(folder / "rsa", lab.domain, "rsa:2048")
    for edge in edge_of(lab, [ec, rsa]):
        for version in ("-tls1_2", "-tls1_3"):
            for name in ("", lab.domain):
                assert shown(lab, name, version) == ec.serial()
                assert shown(lab, name, version, "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256") == rsa.serial()
        rsa.renew()
        eventually(lambda: shown(lab, lab.domain, "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256") == rsa.serial(), "it is renewed beside the other", RENEWAL_SECONDS, every=0.3)
        assert shown(lab, lab.domain) == ec.serial()
        assert not conditions(edge)


def resident(pid: int) -> int:
    """The memory that a process has and shares with no file, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("RssAnon:")))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def handshake(lab: Lab, name: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with entered(lab.network.clients), socket.create_connection((EDGE_OUTSIDE, 5061), 10) as plain:
        context.wrap_socket(plain, server_hostname=name).close()


def test_many_reloads_cost_no_memory_no_descriptor_and_no_connection(lab: Lab, edge: Rempart, lineages: list[Lineage]) -> None:
    first, second = lineages
    pids = [edge.process.pid, edge.component("tls-terminator")["pid"]]
    with lab.client("198.18.2.36", "tls") as phone:
        assert phone.register(lab.accounts["1001"]) == 200
        before: list[tuple[int, int]] = []
        pairs = [first.write() for _ in range(2)]
        for turn in range(RELOADS):
            if turn == RELOADS // 6:
                before = [(resident(pid), descriptors(pid)) for pid in pids]
            for link, target in zip((first.certificate, first.key), pairs[turn % 2]):
                first.lead(link, target)
            done = edge.ask("reload")
            assert done.returncode == 0, done.stderr
            handshake(lab, (first, second)[turn % 2].name)
        assert phone.register(lab.accounts["1001"]) == 200
        for pid, (memory, files) in zip(pids, before):
            # A pair that is kept at each reload is 8 KiB and more in the supervisor, a context 20 KiB in the other.
            assert resident(pid) - memory < 1024 + 4 * RELOADS, pid
            assert descriptors(pid) <= files + 4, pid
    assert [edge.process.pid, edge.component("tls-terminator")["pid"]] == pids
    assert shown(lab, first.name) == first.serial() and shown(lab, second.name) == second.serial()
