"""Attended transfers with two Asterisks behind one edge: the two calls that are joined have to be at one of them."""

from collections.abc import Iterator

import pytest
from conftest import Lab, Site, Stage
from lab.asterisk import PJSIP_16, PJSIP_22
from lab.clients import Client
from lab.dialogs import Taken, Talk, invitation
from lab.phones import Phone, Shelf
from lab.sip import response
from lab.waiting import eventually

OTHER, TRANSFEROR, CONSULTED = "1001", "1002", "1003"


@pytest.fixture(params=[0, 1], ids=["first-turn", "second-turn"])
def pair(stage: Stage, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Two Asterisks, of which the one or the other is next in turn."""
    site = stage.site([PJSIP_16, PJSIP_22])
    if request.param:
        with lab.client("198.18.1.39") as client:
            # A call that takes a turn.
            answer = client.authenticated(client.request("INVITE", "1030", to="1029"), lab.accounts["1030"])[1]
            assert answer and answer.status >= 400
    yield site
    for asterisk in site.asterisks:
        eventually(lambda one=asterisk: one.channels() == 0, "Asterisk has ended the calls")


@pytest.fixture
def phones(pair: Site, shelf: Shelf, lab: Lab) -> tuple[Phone, Phone]:
    """Who is transferred, and to whom; both can be called by either Asterisk."""
    other = shelf.phone().register(lab.accounts[OTHER], "udp", lab.domain)
    consulted = shelf.phone().register(lab.accounts[CONSULTED], "tls", lab.domain)
    known(pair, OTHER, CONSULTED)
    return other, consulted


def known(pair: Site, *names: str) -> None:
    for asterisk in pair.asterisks:
        for name in names:
            eventually(lambda one=asterisk, account=name: one.registered(account), f"{asterisk.kind} knows {name}")


def refer(lab: Lab, client: Client, call: Talk | Taken, other: Talk | Taken, number: str) -> None:
    """Transfers a call to the other end of another one, and hears that it was done."""
    target = f"Refer-To: <sip:{number}@{lab.domain}?{other.replaces}>"
    # A transfer by UDP is asked for its password.
    _, answer = client.authenticated(call.request("REFER", target), lab.accounts[TRANSFEROR])
    assert answer and answer.status == 202

    def told() -> str:
        message = client.receive(0.2)
        if message is None or message.status:
            return ""
        client.send(response(message, "200 OK", ""))
        last = message.body.decode().strip() if message.method == "NOTIFY" else ""
        return last if last and " 100 " not in last else ""

    last = eventually(told, "what came of the transfer")
    assert last.startswith("SIP/2.0 200"), last


def joined(phones: tuple[Phone, Phone]) -> None:
    """The other two hear each other, and none of their calls is the transferor's any more."""
    other, consulted = phones
    other.wait_hearing(consulted.tone)
    consulted.wait_hearing(other.tone)
    other.hang_up()
    consulted.wait_closed()


def consult(client: Client, lab: Lab, phone: Phone) -> Talk:
    """Calls a phone, which answers."""
    assert phone.account
    account = lab.accounts[TRANSFEROR]
    invite = invitation(client, account, phone.account.name)
    client.send(invite.encoded())
    phone.answer()
    talk = Talk.answered(client, account, invite)
    phone.wait_established()
    return talk


def called(pair: Site, lab: Lab, client: Client, other: Phone) -> Taken:
    """Registers the transferor's phone, which another phone then calls."""
    account = lab.accounts[TRANSFEROR]
    assert client.register(account) == 200
    known(pair, TRANSFEROR)
    other.dial(f"sip:{TRANSFEROR}@{lab.domain}")
    taken = Taken.answered(client, account)
    other.wait_established()
    return taken


def test_a_called_phone_that_consults_joins_its_two_calls(pair: Site, lab: Lab, phones: tuple[Phone, Phone]) -> None:
    with lab.client("198.18.1.38") as client:
        first = called(pair, lab, client, phones[0])
        second = consult(client, lab, phones[1])
        refer(lab, client, first, second, CONSULTED)
        joined(phones)


def test_a_calling_phone_that_consults_joins_its_two_calls(pair: Site, lab: Lab, phones: tuple[Phone, Phone]) -> None:
    with lab.client("198.18.1.38") as client:
        assert client.register(lab.accounts[TRANSFEROR]) == 200
        first = consult(client, lab, phones[0])
        second = consult(client, lab, phones[1])
        refer(lab, client, first, second, CONSULTED)
        joined(phones)


def test_a_phone_that_is_called_in_a_call_joins_the_two(pair: Site, lab: Lab, phones: tuple[Phone, Phone]) -> None:
    with lab.client("198.18.1.38") as client:
        first = called(pair, lab, client, phones[0])
        phones[1].dial(f"sip:{TRANSFEROR}@{lab.domain}")
        second = Taken.answered(client, lab.accounts[TRANSFEROR])
        phones[1].wait_established()
        refer(lab, client, first, second, CONSULTED)
        joined(phones)
