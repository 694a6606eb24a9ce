"""Accounts on a slow disk, and on one that hangs: known phones are served as ever, and the daemon stays in hand."""

import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from conftest import Lab, Site
from lab.accounts import CHAN_SIP, Account, make_database
from lab.asterisk import CHAN_SIP_16, ECHO
from lab.clients import Client, proven
from lab.dialogs import Talk
from lab.rempart import Rempart
from lab.slow_source import SlowFolder
from lab.waiting import eventually

# A slow source costs a known phone 200 ms at each request.
PROMPT = 3 * 0.2
# An old password ends within 3 s, and as many reads of the source as that takes: one to see the change, two to look at
# the tables, one for the row.
ENDED = 3.0
READS = 4
# accounts-reader is replaced when it has owed an answer for so long: a disk that takes 2 s for a read may bring that
# about by one read more than these, and the next accounts-reader begins anew.
SILENT = 10.0
REPLACED = 3 * SILENT
DELAYS = [0.15, 2.0]
# Longer than any test: a disk that hangs.
FOREVER = 3600.0
BETWEEN_COMMITS = 0.3
BETWEEN_REGISTRATIONS = 0.1
NEW_SECRET = "UPDATE sippeers SET secret = 'changed' WHERE name = ?"
DELETED = "DELETE FROM sippeers WHERE name = ?"
# The last account is left alone by all tests, and tells that look-ups work again.
WITNESS = "1030"

# Phones that nobody knows yet, and how long the source takes for all of them, one after the other.
CROWD = [Account(f"7{number:03}", f"secret-{number}") for number in range(100)]
CROWD_DELAY = 0.05


class Ground:
    """An edge whose accounts lie in a folder that can be slow; an Asterisk has a copy of its own."""

    def __init__(self, lab: Lab, site: Site) -> None:
        self.lab, self.site, self.edge = lab, site, site.edge
        self.folder = SlowFolder(lab.new_folder("slow"))
        self.database = self.folder.path / "realtime.sqlite3"
        make_database(self.database, CHAN_SIP, [*lab.accounts.values(), *CROWD])
        site.settings.database = self.database
        site.settings.defence = {"allow": "[198.18.1.0/24]"}
        self.edge.write_settings(site.settings.text())
        self.known = lab.accounts["1001"]
        self.phone: Client = lab.client("198.18.1.38")

    def change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(statement, values)

    @contextmanager
    def written(self) -> Iterator[None]:
        """Another row changes all the time, as chan_sip writes: so nothing that is known of an account stays confirmed."""
        ended = threading.Event()

        def write() -> None:
            count = 0
            while not ended.wait(BETWEEN_COMMITS):
                self.change("UPDATE sippeers SET lastms = ? WHERE name = ?", count, WITNESS)
                count += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            ended.set()
            writer.join()

    def registers_promptly(self, seconds: float, until=lambda: False) -> None:
        """The known phone registers again and again, for some seconds or until an event; it is not refused, nor kept waiting."""
        took = []
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            began = time.monotonic()
            assert self.phone.register(self.known) == 200
            took.append(time.monotonic() - began)
            # An account has 50 requests a second.
            time.sleep(BETWEEN_REGISTRATIONS)
        middle = sorted(took)[len(took) // 2]
        print(f"{len(took)} registrations, median {middle:.3f} s, slowest {max(took):.3f} s")
        assert middle < PROMPT and max(took) < 2 * PROMPT

    def restore(self) -> None:
        self.folder.resume()
        self.folder.delay(0)
        account = self.lab.accounts[WITNESS]
        eventually(lambda: self.phone.register(account, expires=0) == 200, lambda: f"all is well:\n{self.edge.log()}", 30, every=0.5)


@pytest.fixture(scope="module")
def ground(lab: Lab) -> Iterator[Ground]:
    ground = Ground(lab, Site(lab, [CHAN_SIP_16]))
    ground.site.start()
    yield ground
    ground.folder.resume()
    ground.site.stop()
    ground.folder.remove()
    ground.phone.socket.close()


@pytest.fixture(autouse=True)
def as_it_was(ground: Ground) -> Iterator[None]:
    yield
    ground.restore()


def is_bound(edge: Rempart, account: Account) -> bool:
    return edge.phones(account.name) != []


def ask_for(ground: Ground, name: str) -> None:
    """A look-up that somebody waits for."""
    with ground.lab.client("198.18.1.36") as client:
        request = client.request("REGISTER", name, extra=["Expires: 600"])
        challenge = client.answer_to(request)
        assert challenge and challenge.status == 401
        client.send(proven(request, challenge, ground.lab.accounts[name]).encoded())


def test_a_source_that_takes_nothing_up_has_its_reader_replaced_and_comes_back(ground: Ground) -> None:
    """The first of this file, since nobody may be reading when the source stops: slow times leave look-ups behind."""
    assert ground.phone.register(ground.known) == 200
    hung = ground.edge.component("accounts-reader")["pid"]
    ground.folder.pause()
    ask_for(ground, "1025")
    stopped = time.monotonic()

    def is_replaced() -> bool:
        return ground.edge.component("accounts-reader")["pid"] not in (0, hung)

    ground.registers_promptly(REPLACED, until=is_replaced)
    assert is_replaced(), ground.edge.log()
    print(f"replaced after {time.monotonic() - stopped:.2f} s")
    # And so do those that follow: nobody else is restarted meanwhile.
    ground.registers_promptly(6)
    assert ground.edge.component("directory")["restarts"] == 0
    assert "accounts" in ground.edge.ask("status").stdout
    ground.restore()


@pytest.mark.parametrize("seconds", DELAYS)
def test_known_phones_register_and_call_on_a_slow_source(ground: Ground, seconds: float) -> None:
    assert ground.phone.register(ground.known) == 200
    ground.folder.delay(seconds)
    took = []
    with ground.written():
        ground.registers_promptly(6)
        for _ in range(5):
            began = time.monotonic()
            talk = Talk.begun(ground.phone, ground.known, ECHO)
            took.append(time.monotonic() - began)
            assert talk.hang_up() == 200
    print(f"calls, slowest {max(took):.3f} s")
    assert max(took) < 2 * PROMPT


@pytest.mark.parametrize("seconds", DELAYS)
@pytest.mark.parametrize(("first", "statement"), [(1010, NEW_SECRET), (1015, DELETED)], ids=["changed", "deleted"])
def test_an_old_secret_ends_with_its_binding_on_a_slow_source(
    ground: Ground, lab: Lab, first: int, statement: str, seconds: float
) -> None:
    account = lab.accounts[str(first + DELAYS.index(seconds))]
    with lab.client("198.18.1.37") as client:
        eventually(lambda: client.register(account) == 200, f"{account.name} registers", 30, every=0.5)
        ground.folder.delay(seconds)
        began = time.monotonic()
        ground.change(statement, account.name)
        eventually(
            lambda: not is_bound(ground.edge, account),
            lambda: f"the old secret's binding ends:\n{ground.edge.log()}",
            3 * (ENDED + READS * seconds) + (REPLACED if (READS + 1) * seconds >= SILENT else 0),
        )
        print(f"ended after {time.monotonic() - began:.2f} s")
        assert client.register(account) in (401, 503)
        assert not is_bound(ground.edge, account)
        if statement == NEW_SECRET:
            assert client.register(Account(account.name, "changed")) == 200
    assert ground.edge.bans() == []


@pytest.mark.parametrize("seconds", DELAYS)
def test_an_unknown_phone_registers_on_a_slow_source(ground: Ground, lab: Lab, seconds: float) -> None:
    """Whoever is not known yet waits for the source, and comes again when it was too slow."""
    account = lab.accounts[f"10{20 + DELAYS.index(seconds)}"]
    ground.folder.delay(seconds)
    answers = []

    def is_in() -> bool:
        answers.append(client.register(account))
        assert answers[-1] in (200, 503)
        return answers[-1] == 200

    with lab.client("198.18.1.37") as client:
        began = time.monotonic()
        eventually(is_in, lambda: f"{account.name} registers: {answers}", 10 + 5 * seconds, every=0.5)
        print(f"registered after {time.monotonic() - began:.2f} s: {answers}")


def state_of(pid: int) -> str:
    """A process's state as proc(5) has it, D for one that no signal reaches; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_a_reader_that_no_signal_reaches_costs_known_phones_nothing_and_comes_back(ground: Ground) -> None:
    """A disk that has taken a read up and hangs keeps the process, killed or not, until it answers."""
    assert ground.phone.register(ground.known) == 200
    hung = ground.edge.component("accounts-reader")["pid"]
    ground.folder.delay(FOREVER)
    ask_for(ground, "1026")
    ground.registers_promptly(12)
    assert Talk.begun(ground.phone, ground.known, ECHO).hang_up() == 200
    print(f"the reader of before is in state {state_of(hung)!r}; {ground.edge.component('accounts-reader')}")
    assert ground.edge.ask("status", "--check").returncode in (0, 1)
    assert all(ground.edge.component(name)["restarts"] == 0 for name in ("directory", "sip-router"))
    ground.folder.delay(0)
    eventually(lambda: state_of(hung) in ("", "Z"), "the killed reader ends when the disk answers")
    ground.restore()
    eventually(lambda: ground.edge.component("accounts-reader")["state"] == "ready", "the next one is ready")


def test_a_crowd_that_nobody_knows_comes_in_about_as_fast_as_the_source_answers(ground: Ground, lab: Lab) -> None:
    """The source has answered for all within 5 s; who gets a 503 comes again after a second."""
    ground.folder.delay(CROWD_DELAY)
    began = time.monotonic()

    def come_in(account: Account) -> float:
        with lab.client("198.18.1.35") as client:
            while time.monotonic() - began < 4 * CROWD_DELAY * len(CROWD):
                if client.register(account) == 200:
                    return time.monotonic() - began
                time.sleep(1)
        return math.inf

    with ThreadPoolExecutor(len(CROWD)) as pool:
        took = sorted(pool.map(come_in, CROWD))
    print(f"{sum(map(math.isfinite, took))} of {len(took)}: the first after {took[0]:.1f} s, all after {took[-1]:.1f} s")
    assert took[-1] < math.inf


def test_the_daemon_ends_while_its_reader_cannot_be_killed(ground: Ground) -> None:
    hung = ground.edge.component("accounts-reader")["pid"]
    ground.folder.delay(FOREVER)
    try:
        eventually(lambda: state_of(hung) == "D", "accounts-reader is killed 15 s after its last heartbeat, and hangs", 45)
        asked = time.monotonic()
        # Promised are 2 s.
        assert ground.edge.stop(6) == 0
        print(f"ended after {time.monotonic() - asked:.2f} s")
    finally:
        ground.folder.delay(0)
        eventually(lambda: state_of(hung) in ("", "Z"), "the killed reader ends when the disk answers")
        ground.edge.start()
