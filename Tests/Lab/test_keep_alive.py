"""Phones are asked whether they are there: a dead one is gone everywhere, one that lives stays, and comes back at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Lab, Site
from lab.accounts import Account
from lab.clients import Client
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


def test_a_dead_phone_is_gone_for_asterisk_too_and_comes_back_by_its_next_word(any_site: Site, lab: Lab) -> None:
    dead, alive, mute = lab.accounts["1001"], lab.accounts["1002"], lab.accounts["1003"]
    with lab.client("198.18.1.31") as one, lab.client("198.18.1.32") as two, lab.client("198.18.1.33") as three:
        three.answers_keep_alives = False
        for client, account in ((one, dead), (two, alive), (three, mute)):
            assert client.register(account) == 200
        listen(one, FIRST)
        killed = time.monotonic()
        with ThreadPoolExecutor() as pool:
            pool.submit(listen, two, GONE)
            pool.submit(listen, three, GONE)
            try:
                eventually(lambda: not is_reachable(any_site, dead), "the dead phone is gone", GONE, every=1)
                gone = time.monotonic() - killed
                eventually(lambda: not any_site.asterisk.registered(dead.name), "and for Asterisk", 10)
                assert is_reachable(any_site, alive) and answers(any_site, alive)
                # Nobody knows of one that answers no OPTIONS, so it is called.
                assert is_reachable(any_site, mute) and not answers(any_site, mute)
                assert any_site.asterisk.registered(alive.name) and any_site.asterisk.registered(mute.name)
            finally:
                two.socket.close()
                three.socket.close()
        print(f"gone after {gone:.0f} s")
        assert gone < 120
        assert one.register(dead) == 200
        eventually(lambda: is_reachable(any_site, dead), "the phone is there again", BACK)
        eventually(lambda: any_site.asterisk.registered(dead.name), "and for Asterisk", 10)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_phone_whose_connection_has_closed_is_gone_for_asterisk_after_30_s(site: Site, lab: Lab, transport: str) -> None:
    account = lab.accounts["1005"]
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
