"""Phones are asked whether they are there, also after sip-router was started anew; a connection that has closed says it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Lab, Site
from lab.accounts import Account
from lab.clients import Client
from lab.homes import PHONE_ADDRESSES, homes_on
from lab.phones import Shelf
from lab.waiting import eventually

# A killed phone is gone within 120 s, and one that comes back is known within one.
GONE = 3 * 120
BACK = 3
# A phone is asked 3 s after its REGISTER, then each 25 to 30 s.
FIRST = 3 * 3


def is_reachable(site: Site, account: Account) -> bool:
    return any(phone["reachable"] for phone in site.edge.phones(account.name))


def answers(site: Site, account: Account) -> bool:
    return any(phone["answers"] for phone in site.edge.phones(account.name))


def listen(client: Client, seconds: float) -> None:
    """The phone is on for so long, and answers what it is asked."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        client.receive(left)


def test_phones_that_die_as_sip_router_is_started_anew_are_found_and_no_other(site: Site, lab: Lab, shelf: Shelf) -> None:
    dead, alive, mute, by_tcp, by_tls = (lab.accounts[str(number)] for number in range(1001, 1006))
    with (
        homes_on(lab.network, 1) as (home,),
        lab.client("198.18.1.31") as one,
        lab.client("198.18.1.32") as two,
        lab.client("198.18.1.33") as three,
        ThreadPoolExecutor() as pool,
    ):
        three.answers_keep_alives = False
        for client, account in ((one, dead), (two, alive), (three, mute)):
            assert client.register(account) == 200
        for address, (account, transport) in zip(PHONE_ADDRESSES, ((by_tcp, "tcp"), (by_tls, "tls")), strict=False):
            shelf.phone(address, home.phones).register(account, transport, lab.domain)
        pool.submit(listen, two, GONE)
        listen(one, FIRST)
        home.cut()
        site.edge.kill_component("sip-router")
        anew = time.monotonic()
        try:
            for account in (dead, by_tcp, by_tls):
                eventually(lambda seen=account: not is_reachable(site, seen), f"{account.name} is gone", GONE, every=0.5)
                print(f"{account.name} gone after {time.monotonic() - anew:.0f} s")
            for account in (dead, by_tcp, by_tls):
                eventually(lambda seen=account: not site.asterisk.registered(seen.name), f"{account.name} at Asterisk", 90)
            print(f"all gone at Asterisk after {time.monotonic() - anew:.0f} s")
            assert is_reachable(site, alive) and answers(site, alive)
            # Nobody knows of one that answers no OPTIONS, so it is called.
            eventually(lambda: not answers(site, mute), "the one that answers none is known as such", 90)
            assert is_reachable(site, mute)
            assert site.asterisk.registered(alive.name) and site.asterisk.registered(mute.name)
        finally:
            two.socket.close()
        assert one.register(dead) == 200
        eventually(lambda: is_reachable(site, dead), "the phone is there again", BACK)
        eventually(lambda: site.asterisk.registered(dead.name), "and for Asterisk", 10)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_phone_whose_connection_has_closed_is_gone_for_asterisk_after_30_s(site: Site, lab: Lab, transport: str) -> None:
    account = lab.accounts["1009"]
    with lab.client("198.18.1.34", transport) as client:
        assert client.register(account) == 200
        eventually(lambda: site.asterisk.registered(account.name), "Asterisk holds a contact")
    closed = time.monotonic()
    eventually(lambda: not is_reachable(site, account), "the edge shows it at once", BACK)
    assert site.asterisk.registered(account.name)
    eventually(lambda: not site.asterisk.registered(account.name), "Asterisk holds none", 90)
    print(f"gone after {time.monotonic() - closed:.0f} s")
    with lab.client("198.18.1.34", transport) as client:
        assert client.register(account) == 200
        eventually(lambda: site.asterisk.registered(account.name), "Asterisk holds a contact again", 10)
