"""The pages that an administrator follows, each to the letter before a real Asterisk: what they promise holds at their end.

A block that nobody here knows what to do with fails its test, and so does one that no test reads.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import PBX_OF, Lab
from lab.accounts import CHAN_SIP, Account
from lab.asterisk import CHAN_SIP_16, PJSIP_22, Kind
from lab.follower import Follower
from lab.namespaces import EDGE_OUTSIDE, command, entered
from lab.pages import Page, read_page
from lab.phones import Shelf
from lab.waiting import eventually

FIRST, SECOND = Account("1001", "secret-of-1001"), Account("1002", "secret-of-1002")
# Who goes past the edge: Asterisk's own machine has an address outside too, at which phones have reached it so far.
PASSER_BY = "198.18.2.40"
PJSIP_BEFORE = """[transport-udp]
type=transport
protocol=udp
bind=0.0.0.0:5060
[phone](!)
type=endpoint
context=phones
disallow=all
allow=ulaw
[proof](!)
type=auth
auth_type=userpass
[place](!)
type=aor
max_contacts=1
"""
PJSIP_PHONE = """[{name}](phone)
auth={name}
aors={name}
[{name}](proof)
username={name}
password={secret}
[{name}](place)
"""
CHAN_SIP_BEFORE = """[general]
udpbindaddr=0.0.0.0:5060
context=nobody
allowguest=no
srvlookup=no
"""
CHAN_SIP_PHONE = """[{name}]
type=friend
host=dynamic
context=phones
disallow=all
allow=ulaw
secret={secret}
"""
ARI_MODULES = "res_http_websocket res_stasis res_ari res_ari_model res_ari_asterisk res_ari_endpoints".split()
FILES = read_page("IN-FRONT-OF-FILES.md")
# For whom a block is that is not for everybody; each is followed by one test at least.
LABELS = {"", "PJSIP", "chan_sip", "One machine", "Two machines"}
LISTENERS = "ss -Hlnu 'sport = 5060'"
# How long a connection that nobody takes is waited for.
SILENCE = 2.0


def modules(kind: Kind) -> dict[str, str]:
    names = (["res_websocket_client"] if kind.version > 20 else []) + ARI_MODULES
    return {"modules.conf": "".join(f"load={name}.so\n" for name in names)}


@contextmanager
def own_outside(lab: Lab, place: str) -> Iterator[str]:
    """Gives the machine of an Asterisk inside an address outside, which one passer-by reaches."""
    namespace, address = lab.network.pbx[place], place.replace("198.19.0.", "198.18.4.")
    lab.network.link(namespace, "eth1", "outside", "ownoutside", [f"{address}/32"])
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


def holds(lab: Lab, shelf: Shelf, follower: Follower) -> None:
    """Follows a page before an Asterisk on a machine of its own, there and back."""
    Calls(lab, shelf, follower)
    follower.asterisk.start()
    try:
        with own_outside(lab, follower.asterisk.address) as outside:
            assert passes_by(lab, outside) == 200, "it is reached as it was before"
            follower.follow("(?!The way back)")
            assert not is_open(lab, outside)
            shelf.clear()
            follower.follow("The way back")
            assert passes_by(lab, outside) == 200, "it is reached again"
    finally:
        follower.stop()


def plain_files(lab: Lab, kind: Kind, place: str, namespace: str) -> Follower:
    """An Asterisk with its accounts in files."""
    follower = Follower(lab, FILES, kind, place, namespace, modules(kind))
    follower.files |= {
        "/etc/asterisk/pjsip.conf": follower.sections_of("pjsip.conf"),
        "/etc/asterisk/pjsip.conf: each endpoint of a phone, or its template, has": follower.lines_of("pjsip.conf", "phone", "endpoint"),
        "/etc/asterisk/sip.conf": follower.lines_of("sip.conf", "general"),
        **{f"/etc/asterisk/{name}.conf": follower.write_file(f"{name}.conf") for name in ("http", "ari", "manager")},
    }
    is_chan_sip = kind.schema == CHAN_SIP
    before, phone = (CHAN_SIP_BEFORE, CHAN_SIP_PHONE) if is_chan_sip else (PJSIP_BEFORE, PJSIP_PHONE)
    phones = [phone.format(name=each.name, secret=each.secret) for each in (FIRST, SECOND)]
    (follower.folder / ("sip.conf" if is_chan_sip else "pjsip.conf")).write_text(before + "".join(phones))
    follower.skipped = {"PJSIP" if is_chan_sip else "chan_sip"}
    return follower


@pytest.mark.parametrize("kind", [PJSIP_22, CHAN_SIP_16], ids=str)
def test_plain_files_on_two_machines(lab: Lab, shelf: Shelf, kind: Kind) -> None:
    follower = plain_files(lab, kind, PBX_OF[kind], lab.network.pbx[PBX_OF[kind]])
    follower.skipped.add("One machine")
    holds(lab, shelf, follower)


@pytest.mark.parametrize("kind", [PJSIP_22, CHAN_SIP_16], ids=str)
def test_plain_files_on_one_machine(lab: Lab, shelf: Shelf, kind: Kind) -> None:
    follower = plain_files(lab, kind, "127.0.0.1", lab.network.edge)
    follower.skipped.add("Two machines")
    follower.variant = {two: one for _, two, one in FILES.tables["what it is | two machines | one machine"]}
    Calls(lab, shelf, follower)
    follower.asterisk.start()
    try:
        assert "0.0.0.0:5060" in follower.within(LISTENERS)
        follower.follow("(?!The way back)")
        assert not is_open(lab, EDGE_OUTSIDE, 5070)
        shelf.clear()
        follower.follow("The way back")
        assert "0.0.0.0:5060" in follower.within(LISTENERS)
    finally:
        follower.stop()


@pytest.mark.parametrize("page", [FILES], ids=lambda page: page.blocks[0].page)
def test_every_block_of_a_page_is_followed_by_some_test(page: Page) -> None:
    left = [block for block in page.blocks if block.label not in LABELS]
    assert not left, "\n".join(map(str, left))
