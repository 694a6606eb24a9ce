"""A source that proves to be guessing passwords is shut out in the kernel, and let in again on request."""

from collections.abc import Iterator

import pytest
from conftest import Lab, Site
from lab.accounts import Account
from lab.clients import Client
from lab.rempart import Rempart
from lab.waiting import eventually

TRIES = 5


@pytest.fixture(autouse=True)
def nobody_banned(site: Site) -> Iterator[None]:
    yield
    site.edge.ask("unban", "all")


def banned_in_kernel(edge: Rempart, address: str) -> bool:
    # Other sets name sources too, such as those whose packets are counted.
    return address in edge.nft("list", "set", "inet", "TABLE", "banned4")


def guess(client: Client, account: Account) -> int:
    return client.register(Account(account.name, "wrong"), expires=600)


def guess_until_banned(site: Site, lab: Lab, client: Client, account: Account) -> None:
    for _ in range(TRIES - 1):
        assert guess(client, account) == 401
    # The try that fills the measure may be answered or not.
    assert guess(client, account) in (401, 0)
    eventually(lambda: banned_in_kernel(site.edge, client.address), f"{client.address} in the kernel's set")


def test_a_wrong_password_is_refused(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.1") as client:
        assert guess(client, lab.accounts["1001"]) == 401
        assert client.register(lab.accounts["1001"]) == 200


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_proven_wrong_passwords_ban_the_source_until_it_is_unbanned(site: Site, lab: Lab, transport: str) -> None:
    address = {"udp": "198.18.2.2", "tcp": "198.18.2.3", "tls": "198.18.2.4"}[transport]
    account = lab.accounts["1001"]
    with lab.client(address, transport) as client:
        guess_until_banned(site, lab, client, account)
    (ban,) = [ban for ban in site.edge.bans() if ban["address"] == address]
    assert ban["reason"] == "wrong-password"
    assert ban["since"] < ban["until"]

    with lab.client(address) as client:
        client.socket.settimeout(1)
        assert client.answer_to(client.request("OPTIONS", account.name), seconds=1) is None
    with lab.client("198.18.2.9") as neighbour:
        assert neighbour.register(account) == 200

    assert site.edge.ask("unban", address).returncode == 0
    eventually(lambda: not banned_in_kernel(site.edge, address), f"{address} no longer in the kernel's set")
    assert address not in [ban["address"] for ban in site.edge.bans()]
    with lab.client(address) as client:
        assert client.register(account) == 200


def test_an_administrator_bans_and_unbans_by_hand(site: Site, lab: Lab) -> None:
    assert site.edge.ask("ban", "198.18.2.5", "--for", "2h", "--reason", "by hand").returncode == 0
    eventually(lambda: banned_in_kernel(site.edge, "198.18.2.5"), "the address in the kernel's set")
    with lab.client("198.18.2.5") as client:
        assert client.answer_to(client.request("OPTIONS", "1001"), seconds=1) is None
    assert site.edge.ask("unban", "all").returncode == 0
    eventually(lambda: not banned_in_kernel(site.edge, "198.18.2.5"), "the address no longer in the kernel's set")
    with lab.client("198.18.2.5") as client:
        assert client.register(lab.accounts["1001"]) == 200


def test_digests_for_nonces_that_were_never_echoed_do_not_ban(site: Site, lab: Lab) -> None:
    """Anyone can send such datagrams in another's name: they must not shut the other out."""
    with lab.client("198.18.2.6") as client:
        for _ in range(TRIES * 4):
            made_up = 'Digest username="1001", realm="asterisk", nonce="made-up", uri="sip:x", response="0", algorithm=MD5'
            request = client.request("REGISTER", "1001", extra=[f"Authorization: {made_up}"])
            client.send(request.encoded())
        assert client.register(lab.accounts["1001"]) == 200
    assert "198.18.2.6" not in [ban["address"] for ban in site.edge.bans()]
