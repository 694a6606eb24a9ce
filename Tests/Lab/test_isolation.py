"""Nothing that leaves toward the outside tells an inside address, and nothing reaches Asterisk but what the edge wrote."""

from conftest import Lab, Site
from lab.accounts import Account
from lab.asterisk import ECHO
from lab.capture import Capture
from lab.namespaces import EDGE_INSIDE
from lab.phones import Shelf
from lab.waiting import eventually

INSIDE_PREFIX = b"198.19."


def test_no_inside_address_is_told_to_the_outside(any_site: Site, shelf: Shelf, lab: Lab) -> None:
    with Capture(lab.network, "outside") as wire:
        caller = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
        called = shelf.phone().register(lab.accounts["1002"], "tcp", lab.domain)
        eventually(lambda: any_site.asterisk.registered("1002"), "Asterisk knows the called account")
        caller.dial(f"sip:1002@{lab.domain}")
        called.answer().wait_established()
        caller.wait_established().wait_hearing(called.tone)
        caller.hang_up()
        called.wait_closed()
        caller.dial(f"sip:{ECHO}@{lab.domain}").wait("CALL_ESTABLISHED", count=2)
        caller.hang_up().wait("CALL_CLOSED", count=2)
        with lab.client("198.18.2.31") as client:
            client.authenticated(client.request("INVITE", "1001", to="1010"), lab.accounts["1001"])
            client.answer_to(client.request("OPTIONS", "1001"))
            client.register(Account("1001", "wrong"))
    said = wire.signalling(outgoing=True)
    assert any(b"SIP/2.0 200" in message for message in said), "the tap does see what is sent"
    leaks = [m for m in said if INSIDE_PREFIX in m]
    assert not leaks, b"\n".join(leaks).decode()


def test_tls_phones_are_told_no_inside_address_either(site: Site, lab: Lab) -> None:
    account = lab.accounts["1003"]
    with lab.client("198.18.2.32", "tls") as client:
        first, second = client.authenticated(client.request("REGISTER", account.name, extra=["Expires: 600"]), account)
        third = client.answer_to(client.request("OPTIONS", account.name))
        _, fourth = client.authenticated(client.request("INVITE", account.name, to="1010"), account)
    for answer in (first, second, third, fourth):
        assert answer and INSIDE_PREFIX not in answer.raw


def test_asterisk_is_spoken_to_by_the_edge_alone(site: Site, shelf: Shelf, lab: Lab) -> None:
    with Capture(lab.network, "inside") as wire:
        phone = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
        phone.dial(f"sip:{ECHO}@{lab.domain}").wait_established().wait_hearing(phone.tone)
        phone.hang_up().wait_closed()
    towards = [packet for packet in wire.packets if packet.target[0] == site.asterisk.address and not packet.is_media]
    assert towards and {packet.source[0] for packet in towards} == {EDGE_INSIDE}


def test_headers_that_claim_trust_are_not_passed_to_asterisk(site: Site, lab: Lab) -> None:
    claims = ["P-Asserted-Identity", "Remote-Party-ID", "P-Preferred-Identity", "Diversion", "History-Info"]
    account = lab.accounts["1004"]
    with Capture(lab.network, "inside") as wire, lab.client("198.18.2.33") as client:
        extra = [f"{name}: <sip:+33123456789@{lab.domain}>" for name in claims]
        client.authenticated(client.request("INVITE", account.name, to="1010", extra=extra), account)
    invites = [raw for raw in wire.signalling(outgoing=True) if raw.startswith(b"INVITE")]
    assert invites
    assert [raw for raw in invites if b"+33123456789" in raw] == []
