"""A provider that is a real Asterisk: it wants a registration and passwords, and calls where Asterisk has registered."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import Lab, Site, Stage
from lab.accounts import CHAN_SIP, PJSIP, make_database
from lab.asterisk import CHAN_SIP_16, ECHO, PJSIP_22, Asterisk, Kind
from lab.capture import Capture
from lab.phones import Phone, Shelf
from lab.trunks import CARRIER, TRUNKS
from lab.waiting import eventually

INSIDE_PREFIX = b"198.19."
CUSTOMER = CARRIER.customer
# A realm of its own, so that nobody's credentials fit by chance.
REALM = {
    CHAN_SIP: {"sip.conf": f"realm={CARRIER.domain}\n"},
    PJSIP: {"pjsip.conf": f"[global](+)\ndefault_realm={CARRIER.domain}\n"},
}


def start_provider(lab: Lab, kind: Kind) -> Asterisk:
    """A provider with one customer, whom it asks every few seconds whether he is there."""
    path = lab.new_folder("provider") / "realtime.sqlite3"
    make_database(path, kind.schema, [CUSTOMER])
    with closing(sqlite3.connect(path)) as database, database:
        asks = "sippeers SET qualify = 'yes'" if kind.schema == CHAN_SIP else "ps_aors SET qualify_frequency = 5"
        database.execute(f"UPDATE {asks}")
    return Asterisk(lab.network, kind, CARRIER.servers[0], lab.folder, path, REALM[kind.schema]).start()


@pytest.fixture(scope="module")
def provider(lab: Lab, each_kind: Kind) -> Iterator[Asterisk]:
    """Of the other channel driver, where there is a choice; it is there before its customer, whose tries are far between."""
    provider = start_provider(lab, PJSIP_22 if each_kind.schema == CHAN_SIP else CHAN_SIP_16)
    yield provider
    provider.stop()


@pytest.fixture
def customer(stage: Stage, each_kind: Kind, provider: Asterisk) -> Site:
    """The edge and its Asterisk, which has registered at the provider."""
    site = stage.site([each_kind], TRUNKS)
    site.asterisk.mark_log()
    # Asterisk was there before the edge, and its next try may be a minute away.
    if not registered(site.asterisk):
        register_again(site.asterisk)
    eventually(lambda: registered(site.asterisk), lambda: registrations(site.asterisk) + provider.log()[-3000:], 30)
    return site


def register_again(asterisk: Asterisk) -> None:
    asterisk.cli("sip reload" if asterisk.kind.schema == CHAN_SIP else f"pjsip send register {CARRIER.name}")


def registrations(asterisk: Asterisk) -> str:
    return asterisk.cli("sip show registry" if asterisk.kind.schema == CHAN_SIP else "pjsip show registrations")


def registered(asterisk: Asterisk) -> bool:
    return any("Registered" in line for line in registrations(asterisk).splitlines())


def sees(asterisk: Asterisk, name: str) -> bool:
    """Whether Asterisk's OPTIONS to a peer (with PJSIP: to an AOR's contact) are answered."""
    if asterisk.kind.schema == CHAN_SIP:
        return "OK (" in asterisk.cli(f"sip show peer {name}")
    return any(f" {name}/sip:" in line and " Avail" in line for line in asterisk.cli("pjsip show contacts").splitlines())


def both_idle(customer: Site, provider: Asterisk) -> None:
    customer.wait_idle()
    eventually(lambda: provider.channels() == 0, "the provider has ended the call")


def test_trunk_asterisk_registers_at_the_provider_and_each_sees_the_other(customer: Site, provider: Asterisk) -> None:
    eventually(lambda: provider.registered(CUSTOMER.name), "the provider holds a contact at the edge")
    eventually(lambda: sees(provider, CUSTOMER.name), "the provider's OPTIONS are answered", 20)
    eventually(lambda: sees(customer.asterisk, CARRIER.name), "Asterisk's OPTIONS are answered", 20)


@pytest.mark.parametrize("ends", ["provider", "customer"])
def test_trunk_the_provider_calls_where_asterisk_has_registered(customer: Site, provider: Asterisk, ends: str) -> None:
    provider.cli(f"channel originate {provider.kind.channel}/{CUSTOMER.name} application Echo")
    eventually(lambda: f"landed in {CARRIER.context}" in customer.asterisk.news(), lambda: customer.asterisk.news())
    eventually(lambda: (customer.asterisk.channels(), provider.channels()) == (1, 1), "the call is up at both")
    assert [row["account"] for row in customer.edge.calls()] == ["trunk:carrier"]
    (provider if ends == "provider" else customer.asterisk).cli("channel request hangup all")
    both_idle(customer, provider)


def call_out(customer: Site, shelf: Shelf) -> Phone:
    phone = customer.call_out(shelf, CARRIER, ECHO).wait_established()
    return phone.wait_hearing(phone.tone)


@pytest.mark.parametrize("ends", ["provider", "phone"])
def test_trunk_a_provider_that_asks_a_password_for_calls_is_satisfied(
    customer: Site, provider: Asterisk, shelf: Shelf, ends: str
) -> None:
    phone = call_out(customer, shelf)
    assert f"{provider.kind.channel}/{CUSTOMER.name}-" in provider.cli("core show channels concise")
    if ends == "phone":
        phone.hang_up()
    else:
        provider.cli("channel request hangup all")
    phone.wait_closed()
    both_idle(customer, provider)


def told(wire: Capture, provider: Asterisk) -> list[bytes]:
    return [packet.payload for packet in list(wire.packets) if packet.target[0] == provider.address and not packet.is_media]


def test_trunk_the_provider_is_told_no_inside_address(customer: Site, provider: Asterisk, shelf: Shelf, lab: Lab) -> None:
    with Capture(lab.network, "outside") as wire:
        phone = call_out(customer, shelf)
        phone.hang_up().wait_closed()
        provider.cli(f"channel originate {provider.kind.channel}/{CUSTOMER.name} application Echo")
        eventually(lambda: customer.asterisk.channels() == 1, "the call is up")
        register_again(customer.asterisk)
        eventually(lambda: any(b"REGISTER sip:" in said for said in told(wire, provider)), "a registration")
        provider.cli("channel request hangup all")
        both_idle(customer, provider)
    said = told(wire, provider)
    leaks = [message for message in said if INSIDE_PREFIX in message]
    assert said and not leaks, b"\n".join(leaks).decode()
