"""The pages that an administrator follows, each to the letter before a real Asterisk: what they promise holds at their end.

A block that nobody here knows what to do with fails its test, and so does a choice of the reader's that no test makes.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import PBX_OF, Lab
from lab.accounts import Account
from lab.asterisk import CHAN_SIP_16, PJSIP_22, Kind
from lab.follower import Follower
from lab.installed import typed_blocks
from lab.namespaces import EDGE_OUTSIDE, command, entered
from lab.page_grounds import FIRST, ONE, SECOND, Way, freepbx, plain_files, realtime_in_server, realtime_in_sqlite_file
from lab.pages import read_page
from lab.phones import Shelf
from lab.rempart import CHECKOUT
from lab.waiting import eventually

# Who goes past the edge: Asterisk's own machine has an address outside too, at which phones have reached it so far.
PASSER_BY = "198.18.2.40"
LISTENERS = "ss -Hlnu 'sport = 5060'"
# What test_booted.py types of README, and what the pages have too.
SYSUSERS = [
    "mkdir -p /etc/sysusers.d",
    r"printf 'm rempart-db asterisk\nm rempart-acct asterisk\n' >/etc/sysusers.d/rempart-asterisk.conf",
    "systemd-sysusers",
]
# Three times what the page on FreePBX promises.
COUNTS = 15.0
# How long a connection that nobody takes is waited for.
SILENCE = 2.0
FILES, REALTIME, FREEPBX = "IN-FRONT-OF-FILES.md", "IN-FRONT-OF-REALTIME.md", "IN-FRONT-OF-FREEPBX.md"


def way(page: str, kind: Kind, *choices: str) -> Way:
    return Way(page, kind, frozenset(["PJSIP" if kind.schema == "pjsip" else "chan_sip", *choices]))


WAYS = {
    way(FILES, PJSIP_22, "Two machines"): plain_files,
    way(FILES, CHAN_SIP_16, "Two machines"): plain_files,
    way(FILES, PJSIP_22, ONE): plain_files,
    way(FILES, CHAN_SIP_16, ONE): plain_files,
    way(REALTIME, PJSIP_22, "MariaDB"): realtime_in_server,
    way(REALTIME, CHAN_SIP_16, "MariaDB"): realtime_in_server,
    way(REALTIME, PJSIP_22, "PostgreSQL"): realtime_in_server,
    way(REALTIME, PJSIP_22, "SQLite", ONE): realtime_in_sqlite_file,
    way(FREEPBX, PJSIP_22, "ARI"): freepbx,
    way(FREEPBX, PJSIP_22, "Database"): freepbx,
}


@contextmanager
def own_outside(lab: Lab, place: str) -> Iterator[str]:
    """Gives the machine of an Asterisk inside an address outside, which one passer-by reaches."""
    namespace, address = lab.network.pbx[place], place.replace("198.19.0.", "198.18.4.")
    lab.network.link(namespace, "eth1", "outside", "ownoutside", [f"{address}/32"])
    # The same as last time, or nobody reaches it until he has forgotten the other one.
    command("ip", "-n", namespace, "link", "set", "eth1", "address", f"02:00:00:00:04:{place.rsplit('.', 1)[1]}")
    command("ip", "-n", namespace, "route", "add", f"{PASSER_BY}/32", "dev", "eth1")
    # Where the kernel has bridges filtered too, the lab's own rules drop what is no sound.
    chain = ["ip", "lab", "forward"]
    pairs = [(address, PASSER_BY), (PASSER_BY, address)]
    rules = [["ip", "saddr", source, "ip", "daddr", target, "accept"] for source, target in pairs]
    said = [command(*lab.in_edge, "nft", "--echo", "--handle", "insert", "rule", *chain, *rule) for rule in rules]
    try:
        yield address
    finally:
        for handle in re.findall(r"handle (\d+)", "".join(said)):
            command(*lab.in_edge, "nft", "delete", "rule", *chain, "handle", handle)
        command("ip", "-n", lab.network.edge, "link", "delete", "ownoutside")


def passes_by(lab: Lab, address: str, port: int = 5060) -> int:
    """The status that a phone gets which goes past the edge; 0 for silence."""
    with lab.client(PASSER_BY, "udp", port, address) as phone:
        return phone.register(FIRST)


def is_open(lab: Lab, address: str, port: int = 5060) -> bool:
    """Whether somebody outside gets any answer of Asterisk, by UDP or TCP."""
    with entered(lab.network.clients):
        stream = socket.socket()
    stream.settimeout(SILENCE)
    stream.bind((PASSER_BY, 0))
    try:
        stream.connect((address, port))
        return True
    except OSError:
        return passes_by(lab, address, port) != 0
    finally:
        stream.close()


def is_reached(follower: Follower, outside: str) -> bool:
    """Whether phones reach Asterisk itself; on the edge's machine nobody may, but it listens at every address."""
    if follower.variant:
        return "0.0.0.0:5060" in follower.within(LISTENERS)
    return passes_by(follower.lab, outside) == 200


class Calls:
    """Two phones, a call between them, and what the edge says of both."""

    def __init__(self, lab: Lab, shelf: Shelf, follower: Follower) -> None:
        self.lab, self.shelf, self.follower = lab, shelf, follower
        follower.before = {"rempart phones": self.register, "rempart calls": self.call}

    def register(self) -> None:
        follower = self.follower
        with self.lab.client("198.18.1.39") as phone:
            assert phone.register(Account(FIRST.name, "wrong")) == 401
            assert phone.register(Account("nobody", "wrong")) == 401
        for account in (FIRST, SECOND):
            self.shelf.phone().register(account, "udp", self.lab.domain)
            eventually(lambda name=account.name: follower.asterisk.registered(name), f"{account.name} at Asterisk")

    def call(self) -> None:
        caller, called = self.shelf.phones
        assert {phone["account"] for phone in self.follower.edge.phones()} == {FIRST.name, SECOND.name}
        caller.dial(f"sip:{SECOND.name}@{self.lab.domain}")
        called.answer()
        for phone in (caller, called):
            phone.wait_established()
        caller.wait_hearing(called.tone)
        called.wait_hearing(caller.tone)
        assert [call["account"] for call in self.follower.edge.calls()] == [FIRST.name, SECOND.name]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_a_page_promises_holds_at_its_end(lab: Lab, shelf: Shelf, way: Way) -> None:
    place = PBX_OF[way.kind]
    with WAYS[way](lab, way, place) as follower, own_outside(lab, place) as outside:
        Calls(lab, shelf, follower)
        follower.asterisk.start()
        try:
            assert is_reached(follower, outside), "as it was before"
            follower.follow("(?!The way back)")
            assert not is_open(lab, *((EDGE_OUTSIDE, 5070) if ONE in way.choices else (outside, 5060)))
            shelf.clear()
            follower.follow("The way back")
            assert is_reached(follower, outside), "as it was before"
        finally:
            follower.stop()


@pytest.mark.parametrize("way", [way for way in WAYS if way.name == FREEPBX], ids=str)
def test_a_new_secret_counts_when_the_page_on_freepbx_says(lab: Lab, way: Way) -> None:
    old, new = FIRST, Account(FIRST.name, "a new one")
    with WAYS[way](lab, way, PBX_OF[way.kind]) as follower, lab.client("198.18.1.39") as phone:
        follower.asterisk.start()
        try:
            follower.follow("(?!.*Register, and call|The way back)")
            eventually(lambda: phone.register(old) == 200, lambda: f"all is read:\n{follower.edge.log()}", every=0.5)
            follower.fields["Secret"](new.secret)
            if "Database" in way.choices:
                assert phone.register(new) == 200
                follower.do("fwconsole reload")
            else:
                assert phone.register(new) == 401
                follower.do("fwconsole reload")
                eventually(lambda: phone.register(new) == 200, lambda: f"it counts:\n{follower.edge.log()}", COUNTS, every=0.5)
            eventually(lambda: follower.asterisk.registered(new.name), "Asterisk takes it too")
        finally:
            follower.stop()


def test_what_the_lab_cannot_type_is_typed_on_the_booted_machine() -> None:
    (lines,) = [block for block in typed_blocks((CHECKOUT / "README.md").read_text()) if SYSUSERS[0] in block]
    assert lines.splitlines() == SYSUSERS
    for page in (FILES, REALTIME):
        assert lines in "".join(block.text for block in read_page(page).blocks)


@pytest.mark.parametrize("page", sorted({way.name for way in WAYS}))
def test_every_choice_that_a_page_offers_is_made_by_some_test(page: str) -> None:
    assert read_page(page).choices <= {choice for way in WAYS if way.name == page for choice in way.choices}
