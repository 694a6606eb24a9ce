"""Endpoints at 0.0.0.0 and [::]: who asked one of the edge's addresses is answered, and called, from that one.

A client's socket is connected: it hears nothing that comes from another address than the one it has asked.
"""

import contextlib
import re
import time
from collections.abc import Iterator

import pytest
from conftest import ACCOUNTS, Lab, Site
from lab.asterisk import CHAN_SIP_16, ECHO
from lab.clients import Client
from lab.dialogs import SDP_TYPE, Talk, asked, offer, within
from lab.namespaces import EDGE_INSIDE, EDGE_OUTSIDE, command
from lab.sip import Message, Request, tag_of, uri_of
from lab.waiting import eventually

# Two on the outside interface, one on another one.
ADDRESSES = [EDGE_OUTSIDE, "198.18.255.10", "198.18.254.1"]
ADDRESSES6 = ["fd00:18::1", "fd00:18::2"]
PHONE, PHONE6, STRANGER, STRANGER6 = "198.18.2.20", "fd00:18::20", "198.18.2.21", "fd00:18:0:1::21"
CALLED = ACCOUNTS["1003"]
INSIDE_PORT = 5070
WAYS = [(PHONE, own, transport) for own in ADDRESSES for transport in ("udp", "tcp", "tls")]
WAYS6 = [(PHONE6, own, transport) for own in ADDRESSES6 for transport in ("udp", "tcp", "tls")]


@pytest.fixture(scope="module")
def ground(lab: Lab) -> Iterator[None]:
    """An address on an interface of its own, and IPv6, beside what the lab has."""
    edge, clients = lab.network.edge, lab.network.clients
    command("ip", "-n", edge, "link", "add", "other", "type", "bridge")
    command("ip", "-n", edge, "link", "set", "other", "up")
    command("ip", "-n", edge, "address", "add", f"{ADDRESSES[2]}/32", "dev", "other")
    for own in ADDRESSES6:
        command("ip", "-n", edge, "address", "add", f"{own}/32", "dev", "outside", "nodad")
    for address in (PHONE6, STRANGER6):
        command("ip", "-n", clients, "address", "add", f"{address}/32", "dev", "eth0", "nodad")
    yield
    command("ip", "-n", edge, "link", "del", "other")
    for own in ADDRESSES6:
        command("ip", "-n", edge, "address", "del", f"{own}/32", "dev", "outside")
    for address in (PHONE6, STRANGER6):
        command("ip", "-n", clients, "address", "del", f"{address}/32", "dev", "eth0")


def every_address(text: str) -> str:
    """Settings with the IPv6 endpoints beside those of IPv4."""
    more = "".join(f"  - {transport}://[::]:{port}\n" for transport, port in (("udp", 5060), ("tcp", 5060), ("tls", 5061)))
    return text.replace("inside:\n", f"{more}inside:\n")


class WildcardSite(Site):
    """An edge that names no address of its own, on either side."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, [CHAN_SIP_16])
        self.settings.outside = self.settings.inside = "0.0.0.0"
        self.settings.inside_port = INSIDE_PORT
        self.edge.write_settings(every_address(self.settings.text()))


@pytest.fixture(scope="module")
def wild(lab: Lab, ground: None) -> Iterator[Site]:
    site = WildcardSite(lab)
    site.start()
    yield site
    site.stop()


def shown(own: str, transport: str) -> str:
    """Host and port as the edge is to show itself."""
    return f"{f'[{own}]' if ':' in own else own}:{5061 if transport == 'tls' else 5060}"


def answer(request: Message, status: int, *extra: str, body: str = "") -> bytes:
    """A response to a request of the edge's."""
    kept = [f"{name}: {value}" for name, value in request.headers if name in ("via", "from", "call-id", "cseq")]
    to = request.header("to")
    lines = [f"SIP/2.0 {status} OK", *kept, f"To: {to if 'tag=' in to else to + ';tag=phone'}"]
    lines += [*extra, f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def expected(phone: Client, method: str) -> Message:
    """The next request of such a method that comes to a phone."""
    deadline = time.monotonic() + 15
    while (left := deadline - time.monotonic()) > 0:
        message = phone.receive(left)
        if message and not message.status and message.method == method:
            return message
    raise AssertionError(f"no {method} came")


def rung(site: Site, phone: Client) -> Message:
    """The INVITE by which Asterisk calls the phone."""
    eventually(lambda: site.asterisk.registered(CALLED.name), "Asterisk knows the account")
    site.asterisk.cli(f"channel originate SIP/{CALLED.name} application Echo")
    return expected(phone, "INVITE")


def taken(phone: Client, invite: Message, contact: str) -> None:
    """The phone answers, and hears that it was heard."""
    phone.send(answer(invite, 200, f"Contact: <{contact}>", SDP_TYPE, body=offer(PHONE)))
    expected(phone, "ACK")


@pytest.mark.parametrize(("address", "own", "transport"), WAYS + WAYS6)
def test_a_phone_is_answered_and_called_from_the_address_that_it_asked(
    wild: Site, lab: Lab, address: str, own: str, transport: str
) -> None:
    with lab.client(address, transport, edge=own) as phone:
        assert phone.register(CALLED) == 200
        assert asked(phone, phone.request("OPTIONS", CALLED.name)).status in (401, 407)
        invite = rung(wild, phone)
        assert f" {shown(own, transport)};" in invite.header("via")
        assert f"@{shown(own, transport)}" in uri_of(invite.header("contact"))
        taken(phone, invite, phone.request("INVITE", CALLED.name).contact)
        # The called phone hangs up, at the address that it was shown.
        bye = Request(
            method="BYE", uri=uri_of(invite.header("contact")), sender=uri_of(invite.header("to")), to=uri_of(invite.header("from")),
            via=phone.request("BYE", CALLED.name).via, call_id=invite.header("call-id"), from_tag="phone",
            to_tag=tag_of(invite.header("from")), cseq=1,
        )  # fmt: skip
        assert asked(phone, bye).status == 200
        wild.wait_idle()
        invite = rung(wild, phone)
        taken(phone, invite, phone.request("INVITE", CALLED.name).contact)
        wild.asterisk.cli("channel request hangup all")
        phone.send(answer(expected(phone, "BYE"), 200))
        wild.wait_idle()
        assert phone.register(CALLED, expires=0) == 200


@pytest.mark.parametrize(("address", "own", "transport"), WAYS)
def test_a_phones_own_call_lasts(wild: Site, lab: Lab, address: str, own: str, transport: str) -> None:
    with lab.client(address, transport, edge=own) as phone:
        talk = Talk.begun(phone, CALLED, ECHO)
        assert f"@{shown(own, transport)}" in talk.answer.header("contact")
        eventually(lambda: wild.asterisk.channels() == 1, "Asterisk has the call")
        again = asked(phone, talk.request("INVITE", body=offer(address)))
        assert again.status == 200
        phone.send(within(talk.invite, "ACK", talk.answer, talk.cseq).encoded())
        assert talk.hang_up() == 200
        wild.wait_idle()


@pytest.mark.parametrize(("address", "own"), [(PHONE, ADDRESSES[1]), (PHONE6, ADDRESSES6[1])])
def test_a_router_that_was_started_anew_calls_from_the_same_address(wild: Site, lab: Lab, address: str, own: str) -> None:
    with lab.client(address, "udp", edge=own) as phone:
        assert phone.register(CALLED) == 200
        eventually(lambda: wild.asterisk.registered(CALLED.name), "Asterisk knows the account")
        wild.edge.kill_component("sip-router")
        eventually(lambda: wild.edge.phones(CALLED.name), "the binding is back")
        eventually(lambda: wild.edge.asterisk_state(wild.asterisk.address) == "up", "the Asterisk is heard")
        invite = rung(wild, phone)
        assert f"@{shown(own, 'udp')}" in uri_of(invite.header("contact"))
        taken(phone, invite, phone.request("INVITE", CALLED.name).contact)
        wild.edge.kill_component("sip-router")
        wild.asterisk.cli("channel request hangup all")
        phone.send(answer(expected(phone, "BYE"), 200))
        wild.wait_idle()
        assert phone.register(CALLED, expires=0) == 200


def test_asterisk_sees_the_edge_at_one_address(wild: Site, lab: Lab) -> None:
    with lab.client(PHONE, edge=ADDRESSES[1]) as phone:
        assert phone.register(CALLED) == 200
        eventually(lambda: wild.asterisk.registered(CALLED.name), "Asterisk knows the account")
        assert re.search(rf"Addr->IP\s*: {EDGE_INSIDE}:{INSIDE_PORT}\b", wild.asterisk.cli(f"sip show peer {CALLED.name}"))
        assert f"sip:{CALLED.name}@{EDGE_INSIDE}:{INSIDE_PORT}" in wild.asterisk.cli(f"sip show peer {CALLED.name}")
        assert phone.register(CALLED, expires=0) == 200


@pytest.mark.parametrize(("stranger", "addresses"), [(STRANGER, ADDRESSES), (STRANGER6, ADDRESSES6)])
def test_a_ban_holds_at_every_address(wild: Site, lab: Lab, stranger: str, addresses: list[str]) -> None:
    def hears(own: str) -> bool:
        with lab.client(stranger, edge=own) as client:
            return client.answer_to(client.request("OPTIONS", "1001"), seconds=1) is not None

    assert all(hears(own) for own in addresses)
    assert wild.edge.ask("ban", stranger, "--for", "1h").returncode == 0
    assert not any(hears(own) for own in addresses)
    assert wild.edge.ask("unban", stranger).returncode == 0
    assert all(hears(own) for own in addresses)


def test_the_kernels_limit_holds_for_all_addresses_together(lab: Lab, ground: None) -> None:
    rate, sent = 100, 3000
    settings = lab.settings(lab.database("chan_sip"), "chan_sip", ["198.19.0.10"])
    settings.outside, settings.defence = "0.0.0.0", {"packets": str(rate)}
    # Beside the edge of the other tests.
    settings.port, settings.inside_port = 5080, INSIDE_PORT + 1
    edge = lab.rempart(settings.text()).start()
    try:
        with contextlib.ExitStack() as held:
            clients = [held.enter_context(lab.client(STRANGER, port=5080, edge=own)) for own in ADDRESSES]
            requests = [client.request("OPTIONS", "1001").encoded() for client in clients]
            began = time.monotonic()
            for _ in range(sent // len(clients)):
                for client, request in zip(clients, requests, strict=True):
                    client.send(request)
            passed = 2 * rate + rate * (time.monotonic() - began) + 1

            def dropped() -> int:
                found = re.search(r"@udp4 .* counter packets (\d+)", edge.nft("list", "chain", "inet", "TABLE", "strangers"))
                return int(found[1]) if found else 0

            eventually(lambda: dropped() >= sent - passed, lambda: f"{dropped()} of {sent} dropped")
    finally:
        edge.destroy()
