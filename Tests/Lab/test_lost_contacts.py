"""Asterisks that are replaced, started anew, deaf for a moment, or overloaded: who is registered there, and who gets calls."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from conftest import Lab, Site, Stage
from lab.accounts import CHAN_SIP
from lab.asterisk import ECHO, PJSIP_16, PJSIP_22, Asterisk
from lab.capture import Capture
from lab.clients import Client
from lab.dialogs import Talk
from lab.sip import Message
from lab.waiting import eventually

NAMES = [str(number) for number in range(1001, 1006)]
# One that has lost its contacts is found out within 11 s, and each phone can be called within 20 s.
KNOWN_AGAIN = 3 * 20
OVERLOADED = "passed over for 2 s"
LOST = "has lost its contacts"


@pytest.fixture
def new_site(stage: Stage, each_kind) -> Iterator[Site]:
    """New for each test: what an edge has seen of an Asterisk before decides."""
    stage.clear()
    yield stage.site([each_kind])
    stage.clear()


@pytest.fixture
def pair(stage: Stage) -> Iterator[Site]:
    stage.clear()
    yield stage.site([PJSIP_16, PJSIP_22])
    stage.clear()


class Inside:
    """The REGISTERs that go inward, and the answers to them."""

    def __init__(self, lab: Lab) -> None:
        self.wire = Capture(lab.network, "inside")

    def __enter__(self) -> "Inside":
        self.wire.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.wire.__exit__(*error)

    def messages(self, outgoing: bool) -> list[Message]:
        """Those of registrations; `outgoing` ones go to Asterisk."""
        heard = [Message.parse(raw) for raw in self.wire.signalling(outgoing)]
        return [message for message in heard if message.header("cseq").endswith(" REGISTER")]

    @property
    def questions(self) -> list[Message]:
        return [message for message in self.messages(True) if not message.header("contact")]

    @property
    def registrations(self) -> list[Message]:
        return [message for message in self.messages(True) if message.header("contact")]

    def is_told(self) -> bool:
        """Whether an Asterisk has shown a contact to who asked for it."""
        asked = {(message.header("call-id"), message.header("cseq")) for message in self.questions}
        told = [message for message in self.messages(False) if message.status == 200 and message.header("contact")]
        return any((message.header("call-id"), message.header("cseq")) in asked for message in told)


@contextmanager
def phones(site: Site, lab: Lab) -> Iterator[list[Client]]:
    """Registered phones, each at an address of its own."""
    with ExitStack() as stack:
        clients = [stack.enter_context(lab.client(f"198.18.1.{20 + number}")) for number in range(len(NAMES))]
        for client, name in zip(clients, NAMES, strict=True):
            assert client.register(lab.accounts[name]) == 200
        for asterisk in site.asterisks:
            for name in NAMES:
                eventually(lambda seen=asterisk, one=name: seen.registered(one), f"{asterisk.kind} holds a contact of {name}")
        yield clients


def forget_contacts(site: Site, asterisk: Asterisk) -> None:
    """What a container without a volume forgets, or a standby that takes over an address never knew."""
    for file in asterisk.folder.glob("astdb*"):
        file.unlink()
    if asterisk.kind.schema == CHAN_SIP:
        with closing(sqlite3.connect(site.database, timeout=10)) as database, database:
            database.execute("UPDATE sippeers SET ipaddr = '', port = 0, regseconds = 0, fullcontact = ''")


def call(client: Client, lab: Lab, name: str) -> None:
    """A call that is answered, by the second Asterisk if the first says nothing for 3 s, and ended."""
    assert Talk.begun(client, lab.accounts[name], ECHO, 3 * 4).hang_up() == 200


def test_a_replaced_asterisk_is_told_of_all_accounts_again(new_site: Site, lab: Lab) -> None:
    with Inside(lab) as inside, phones(new_site, lab):
        eventually(inside.is_told, "Asterisk has shown a contact", 3 * 10)
        new_site.asterisk.stop()
        forget_contacts(new_site, new_site.asterisk)
        new_site.asterisk.start()
        for name in NAMES:
            eventually(lambda one=name: new_site.asterisk.registered(one), f"{name} is registered again", KNOWN_AGAIN)
        assert LOST in new_site.edge.log()
        # Asking alone sends nobody's message lamp.
        before = len(inside.registrations)
        asked = len(inside.questions)
        eventually(lambda: len(inside.questions) > asked + 2, "Asterisk is asked on", 3 * 20)
        assert len(inside.registrations) == before


def test_an_asterisk_that_has_kept_its_contacts_is_told_nothing(new_site: Site, lab: Lab) -> None:
    with Inside(lab) as inside, phones(new_site, lab):
        eventually(inside.is_told, "Asterisk has shown a contact", 3 * 10)
        # res_sorcery_astdb writes what has changed once a second.
        eventually(lambda: is_stored(new_site), "the contacts are on the disk")
        before = len(inside.registrations)
        new_site.asterisk.stop()
        new_site.asterisk.start()
        asked = len(inside.questions)
        eventually(lambda: len(inside.questions) > asked + 2, "Asterisk is asked on", 3 * 20)
        assert len(inside.registrations) == before and LOST not in new_site.edge.log()
        assert is_stored(new_site)


def is_stored(site: Site) -> bool:
    if site.asterisk.kind.schema == CHAN_SIP:
        with closing(sqlite3.connect(site.database, timeout=10)) as database:
            return database.execute("SELECT count(*) FROM sippeers WHERE fullcontact != ''").fetchone()[0] == len(NAMES)
    with closing(sqlite3.connect(site.asterisk.folder / "astdb.sqlite3", timeout=10)) as database:
        found = database.execute("SELECT count(*) FROM astdb WHERE key LIKE '%registrar/contact/%'").fetchone()[0]
        return found == len(NAMES)


def test_an_asterisk_that_stands_still_for_5_s_keeps_its_registrations_and_gets_no_calls(pair: Site, lab: Lab) -> None:
    with Inside(lab) as inside, phones(pair, lab) as clients:
        before = len(inside.registrations)
        pair.asterisks[0].pause()
        try:
            eventually(lambda: pair.edge.asterisk_state(pair.asterisks[0].address) != "up", "it is passed over", 3 * 8)
            for client, name in zip(clients, NAMES, strict=True):
                call(client, lab, name)
        finally:
            pair.asterisks[0].resume()
        eventually(lambda: pair.edge.asterisk_state(pair.asterisks[0].address) == "up", "it gets calls again", 20)
        asked = len(inside.questions)
        eventually(lambda: len(inside.questions) > asked + 2, "both are asked on", 3 * 20)
        assert len(inside.registrations) == before and LOST not in pair.edge.log()


@contextmanager
def without_invites(asterisk: Asterisk) -> Iterator[None]:
    """Answers OPTIONS and hears no INVITE, as an Asterisk does that has more to do than it can."""
    rules = "table ip deaf { chain input { type filter hook input priority 0; udp dport 5060 @th,64,48 0x494e56495445 drop; }; }"
    in_namespace = ["ip", "netns", "exec", asterisk.namespace, "nft"]
    subprocess.run([*in_namespace, "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*in_namespace, "delete", "table", "ip", "deaf"], check=True)


def test_an_asterisk_that_hears_no_invites_is_passed_over_once_three_callers_have_found_out(pair: Site, lab: Lab) -> None:
    with Inside(lab) as inside, phones(pair, lab) as clients:
        before = len(inside.registrations)
        with without_invites(pair.asterisks[0]):
            # One account alone, however often it calls, does nothing to the others.
            for _ in range(4):
                call(clients[0], lab, NAMES[0])
            assert OVERLOADED not in pair.edge.log()
            for client, name in zip(clients, NAMES, strict=True):
                for _ in range(2):
                    call(client, lab, name)
            assert OVERLOADED in pair.edge.log()
            assert pair.edge.asterisk_state(pair.asterisks[0].address) in ("up", "overloaded")
        assert len(inside.registrations) == before
