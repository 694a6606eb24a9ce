"""Asterisks in several networks: each is called from the edge's address that the kernel's route to it uses.

An Asterisk has no route to the edge's other addresses: called from one of them, it could not respond.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from conftest import ACCOUNTS, Lab, Site
from lab.asterisk import CHAN_SIP, CHAN_SIP_16, ECHO, PJSIP, PJSIP_16, PJSIP_22, Asterisk, Kind
from lab.capture import Capture
from lab.clients import Client
from lab.dialogs import SDP_TYPE, Talk, offer
from lab.insides import EDGE_SECOND, EDGE_SIX, FAR, SIX, VIP, VIP_SECOND, Insides, insides_on
from lab.namespaces import EDGE_INSIDE, host
from lab.waiting import eventually
from test_wildcards import answer, expected

NEAR = "198.19.0.10"
PHONE = "198.18.2.22"
ACCOUNT = ACCOUNTS["1004"]
PORT = 5060
NETWORK = "198.19.1.0/24"
# Three times the 10 s after which the kernel is asked anew.
ROUTE_SECONDS = 30


class InsidesSite(Site):
    """An edge with these inside addresses, before an Asterisk in each of these places."""

    def __init__(self, lab: Lab, kinds: list[Kind], places: Sequence[str], insides: Sequence[str]) -> None:
        super().__init__(lab, kinds, places=places)
        self.settings.inside, *self.settings.more_insides = insides
        self.edge.write_settings(self.settings.text())

    def wait_all_idle(self) -> None:
        eventually(lambda: not any(asterisk.channels() for asterisk in self.asterisks), "no Asterisk has a call")
        eventually(lambda: self.edge.calls() == [], lambda: f"the edge knows of no call: {self.edge.calls()}")


@pytest.fixture(scope="module")
def ground(lab: Lab) -> Iterator[Insides]:
    with insides_on(lab.network) as insides:
        yield insides


@pytest.fixture(
    scope="module",
    params=[[PJSIP_16, PJSIP_22, PJSIP_22], [CHAN_SIP_16, CHAN_SIP_16, CHAN_SIP_16]],
    ids=["pjsip", "chan_sip"],
)
def everywhere(request: pytest.FixtureRequest, lab: Lab, ground: Insides) -> Iterator[InsidesSite]:
    """Asterisks in two networks of IPv4, and one by IPv6."""
    site = InsidesSite(lab, request.param, [NEAR, FAR, SIX], [EDGE_INSIDE, EDGE_SECOND, EDGE_SIX])
    with running(site):
        yield site


@contextlib.contextmanager
def running(site: Site) -> Iterator[None]:
    try:
        site.start()
        yield
    finally:
        site.stop()


def shown(asterisk: Asterisk) -> str:
    """What an Asterisk says of where it calls the account."""
    line = f"sip show peer {ACCOUNT.name}" if asterisk.kind.schema == CHAN_SIP else "database show registrar"
    return asterisk.cli(line)


def knows(asterisk: Asterisk) -> bool:
    """Whether an Asterisk would call the account at the address at which it is to see the edge."""
    return f"sip:{ACCOUNT.name}@{host(asterisk.sees_edge_at)}:{PORT}" in shown(asterisk)


def call_out(site: InsidesSite, phone: Client) -> set[str]:
    """As many calls as there are Asterisks, one after the other; where they came."""
    called = set()
    for _ in site.asterisks:
        talk = Talk.begun(phone, ACCOUNT, ECHO)
        called |= {asterisk.address for asterisk in site.asterisks if asterisk.channels() == 1}
        assert talk.hang_up() == 200
        site.wait_all_idle()
    return called


def ring(asterisk: Asterisk, phone: Client) -> None:
    """The Asterisk calls the phone, which answers, and hangs up itself."""
    asterisk.cli(f"channel originate {asterisk.kind.channel}/{ACCOUNT.name} application Echo")
    contact = phone.request("INVITE", ACCOUNT.name).contact
    phone.send(answer(expected(phone, "INVITE"), 200, f"Contact: <{contact}>", SDP_TYPE, body=offer(PHONE)))
    expected(phone, "ACK")
    asterisk.cli("channel request hangup all")
    phone.send(answer(expected(phone, "BYE"), 200))


def was_probed(wire: Capture) -> bool:
    return any(packet.payload.startswith(b"OPTIONS ") for packet in list(wire.packets))


def serves(site: InsidesSite, lab: Lab) -> None:
    """Registrations, and calls in both directions, of each Asterisk from and to the address at which it sees the edge."""
    with contextlib.ExitStack() as held:
        wires = {
            asterisk: held.enter_context(Capture(lab.network, "eth0", asterisk.namespace)) for asterisk in site.asterisks
        }
        phone = held.enter_context(lab.client(PHONE))
        assert phone.register(ACCOUNT) == 200
        for asterisk in site.asterisks:
            eventually(lambda one=asterisk: knows(one), lambda one=asterisk: f"{one.address} knows {one.sees_edge_at}")
        assert call_out(site, phone) == {asterisk.address for asterisk in site.asterisks}
        for asterisk in site.asterisks:
            ring(asterisk, phone)
            site.wait_all_idle()
        assert phone.register(ACCOUNT, expires=0) == 200
        for asterisk, wire in wires.items():
            eventually(lambda one=wire: was_probed(one), f"{asterisk.address} is asked whether it is there")
    for asterisk, wire in wires.items():
        came = [packet for packet in wire.packets if not packet.outgoing and not packet.is_media]
        assert {packet.source for packet in came} == {(asterisk.sees_edge_at, PORT)}
        words = {packet.payload.split(b" ")[0] for packet in came}
        assert words >= {b"OPTIONS", b"REGISTER", b"INVITE", b"ACK", b"BYE", b"SIP/2.0"}
        vias = [line for packet in came for line in packet.payload.split(b"\r\n") if line.startswith(b"Via: ")]
        own = f"SIP/2.0/UDP {host(asterisk.sees_edge_at)}:{PORT};".encode()
        assert any(own in via for via in vias)


@pytest.fixture
def moving(ground: Insides) -> Iterator[list[str]]:
    """Addresses that have come to this machine, beside those at which the kernel's routes begin."""
    places = [(VIP, "24", "inside"), (VIP_SECOND, "32", "second")]
    for address, prefix, name in places:
        ground.edge("address", "add", f"{address}/{prefix}", "dev", name)
    yield [VIP, VIP_SECOND]
    for address, prefix, name in places:
        ground.edge("address", "delete", f"{address}/{prefix}", "dev", name)


def test_an_address_that_moves_between_machines_is_the_one_that_its_network_sees(moving: list[str], lab: Lab) -> None:
    site = InsidesSite(lab, [PJSIP_16, PJSIP_22], [NEAR, FAR], moving)
    for asterisk, seen in zip(site.asterisks, moving, strict=True):
        asterisk.sees_edge_at = seen
    with running(site):
        serves(site, lab)


def test_where_a_route_changes_every_account_moves_with_it(moving: list[str], ground: Insides, lab: Lab) -> None:
    for kind in (PJSIP_22, CHAN_SIP_16):
        site = InsidesSite(lab, [kind], [FAR], [EDGE_SECOND, VIP_SECOND])
        if kind.schema == PJSIP:
            # The second Contact of such an account is refused while it has the first.
            with closing(sqlite3.connect(site.database)) as database, database:
                database.execute("UPDATE ps_aors SET max_contacts = 1, remove_existing = 'no'")
        with running(site), lab.client(PHONE) as phone:
            assert phone.register(ACCOUNT) == 200
            eventually(lambda: knows(site.asterisk), "registered from the first address")
            talk = Talk.begun(phone, ACCOUNT, ECHO)
            ground.edge("route", "replace", NETWORK, "dev", "second", "src", VIP_SECOND)
            try:
                site.asterisk.sees_edge_at = VIP_SECOND
                eventually(lambda: knows(site.asterisk), "registered from the other one", ROUTE_SECONDS)
                assert f"@{EDGE_SECOND}:" not in shown(site.asterisk), "and no more from the first"
                assert talk.hang_up() == 200
                site.wait_all_idle()
                ring(site.asterisk, phone)
                site.wait_all_idle()
            finally:
                ground.edge("route", "replace", NETWORK, "dev", "second", "src", EDGE_SECOND)


def conditions(site: Site) -> dict[str, str]:
    return {each["kind"]: each["text"] for each in site.edge.status()["conditions"]}


@pytest.fixture
def routeless(ground: Insides) -> Iterator[Insides]:
    """The second network's interface has no route yet."""
    ground.edge("address", "delete", f"{EDGE_SECOND}/24", "dev", "second")
    ground.edge("address", "add", f"{EDGE_SECOND}/32", "dev", "second")
    yield ground
    ground.edge("address", "delete", f"{EDGE_SECOND}/32", "dev", "second")
    ground.edge("address", "add", f"{EDGE_SECOND}/24", "dev", "second")


def test_without_a_route_at_boot_the_edge_is_degraded_and_good_when_there_is_one(routeless: Insides, lab: Lab) -> None:
    site = InsidesSite(lab, [PJSIP_22], [FAR], [EDGE_INSIDE, EDGE_SECOND])
    asterisk, edge = site.asterisk, site.edge
    try:
        asterisk.start()
        edge.start()
        told = f"this machine has no route to the Asterisk {FAR}:{PORT}. "
        assert conditions(site)["route"].startswith(told)
        done = edge.ask("status", "--check")
        assert done.returncode == 1 and done.stdout.startswith(f"degraded: {told}"), done.stdout
        assert "route" in conditions(site), "no end of it before there is a route"
        routeless.edge("route", "add", NETWORK, "dev", "second", "src", EDGE_SECOND)
        eventually(lambda: conditions(site) == {}, lambda: f"good: {conditions(site)}", ROUTE_SECONDS)
        assert edge.ask("status", "--check").returncode == 0
        serves(site, lab)
        eventually(lambda: f"over: {told[:-2]}" in edge.log(), "the end is recorded", ROUTE_SECONDS)
        assert edge.log().count(f"rempart[supervisor]: {told}") == 1
    finally:
        site.stop()
        with contextlib.suppress(RuntimeError):
            routeless.edge("route", "delete", NETWORK, "dev", "second")


# The last ones, since their sites stand until the end of the module.


def test_each_asterisk_is_called_from_the_address_in_its_network(everywhere: InsidesSite, lab: Lab) -> None:
    serves(everywhere, lab)


def test_calls_outlive_a_reload_and_a_new_router_in_each_network(everywhere: InsidesSite, lab: Lab) -> None:
    with contextlib.ExitStack() as held:
        # Of one account each, since an account's calls stay with one Asterisk.
        talks = []
        for place, name in enumerate(["1004", "1005", "1006"]):
            phone = held.enter_context(lab.client(f"198.18.2.{22 + place}"))
            assert phone.register(ACCOUNTS[name]) == 200
            talks.append(Talk.begun(phone, ACCOUNTS[name], ECHO))
        assert [asterisk.channels() for asterisk in everywhere.asterisks] == [1, 1, 1]
        assert everywhere.edge.ask("reload").returncode == 0
        assert talks[-1].hang_up() == 200
        everywhere.edge.kill_component("sip-router")
        assert [talk.hang_up() for talk in talks[:-1]] == [200, 200]
        everywhere.wait_all_idle()
        for talk in talks:
            assert talk.client.register(talk.account, expires=0) == 200
