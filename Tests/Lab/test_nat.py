"""An edge behind NAT: a phone beside it, phones and a provider beyond, and each of them is shown the address that it reaches."""

import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from conftest import CHAN_SIP_16, PJSIP_22, Kind, Lab, Site
from lab.asterisk import ECHO
from lab.capture import Capture, Packet
from lab.dialogs import Talk, invitation
from lab.leaks import MEDIA
from lab.namespaces import EDGE_INSIDE, PBX_MEDIA
from lab.nat import LOCAL_ADDRESSES, OWN, SHOWN, Nat, behind_nat
from lab.peers import Peer
from lab.phones import Phone, Shelf
from lab.sip import Message, uri_of
from lab.trunks import TELCO, TRUNKS
from lab.waiting import eventually

# Timers B, F and H end after 64 * T1 = 32 s; a dialog whose ACK was lost is over by twice that.
HELD_SECONDS = 66
CALLER = "4930123"


@pytest.fixture(scope="module", params=[CHAN_SIP_16, PJSIP_22], ids=str)
def nat_site(request: pytest.FixtureRequest, lab: Lab, nat: Nat) -> Iterator[Site]:
    kind: Kind = request.param
    site = Site(lab, [kind], TRUNKS)
    behind_nat(site.settings)
    site.edge.write_settings(site.settings.text())
    try:
        site.start()
        yield site
    finally:
        site.stop()


class Wires:
    """What goes to the Internet, behind the NAT's router, and to the local network."""

    def __init__(self, lab: Lab, nat: Nat) -> None:
        self.internet = Capture(lab.network, "wan", nat.router)
        self.local = Capture(lab.network, "eth0", nat.local)

    def __enter__(self) -> "Wires":
        self.internet.__enter__()
        self.local.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.internet.__exit__(*error)
        self.local.__exit__(*error)

    @property
    def to_internet(self) -> list[Packet]:
        return [packet for packet in self.internet.packets if packet.outgoing and not packet.is_media]

    @property
    def to_local(self) -> list[Packet]:
        return [packet for packet in self.local.packets if not packet.outgoing and not packet.is_media]

    def leaks(self) -> list[bytes]:
        """The lines that tell a peer an address of ours by which it does not reach us."""
        inside = [EDGE_INSIDE, *PBX_MEDIA]
        return telling(self.to_internet, [OWN, *inside]) + telling(self.to_local, [SHOWN, *inside])

    def answers(self) -> Counter:
        """How often each 200 to an INVITE was sent to a phone or a provider: once, when the ACK arrives."""
        sent = [Message.parse(packet.payload) for packet in self.to_internet + self.to_local if packet.payload.startswith(b"SIP/2.0 200")]
        return Counter((m.header("call-id"), m.header("cseq")) for m in sent if m.header("cseq").endswith("INVITE"))


def telling(packets: list[Packet], addresses: list[str]) -> list[bytes]:
    """Session descriptions say where media goes as Asterisk has it; a TLS record is nobody's line."""
    pattern = re.compile(b"|".join(rb"(?<![0-9.])" + re.escape(address.encode()) + rb"(?![0-9])" for address in addresses))
    lines = [line for packet in packets for line in packet.payload.split(b"\r\n")]
    return [line for line in lines if pattern.search(line) and not MEDIA.match(line)]


def near_phone(shelf: Shelf, nat: Nat, lab: Lab, account: str, transport: str) -> Phone:
    phone = shelf.phone(LOCAL_ADDRESSES[0], nat.local)
    return phone.register(lab.accounts[account], transport, lab.domain, OWN)


def far_phone(shelf: Shelf, lab: Lab, account: str, transport: str) -> Phone:
    return shelf.phone().register(lab.accounts[account], transport, lab.domain, SHOWN)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("is_outward", [True, False], ids=["near-calls-far", "far-calls-near"])
def test_nat_phones_on_either_side_of_it_call_each_other(
    nat_site: Site, nat: Nat, shelf: Shelf, lab: Lab, transport: str, is_outward: bool
) -> None:
    with Wires(lab, nat) as wires:
        near, far = near_phone(shelf, nat, lab, "1001", transport), far_phone(shelf, lab, "1002", transport)
        for account in ("1001", "1002"):
            eventually(lambda name=account: nat_site.asterisk.registered(name), f"Asterisk knows {account}")
        caller, called = (near, far) if is_outward else (far, near)
        caller.dial(f"sip:{called.account.name}@{lab.domain}")
        called.answer().wait_established()
        caller.wait_established()
        # Each hangs up once.
        (caller if transport == "udp" else called).hang_up()
        caller.wait_closed()
        called.wait_closed()
        nat_site.wait_idle()
    assert wires.to_internet and wires.to_local
    assert wires.leaks() == []
    assert all(count == 1 for count in wires.answers().values()), wires.answers()


def test_nat_a_provider_beyond_it_calls_and_is_called(nat_site: Site, nat: Nat, shelf: Shelf, lab: Lab) -> None:
    nat_site.asterisk.mark_log()
    with Wires(lab, nat) as wires, Peer(lab.network, TELCO.servers[0], edge=SHOWN) as provider:
        leg = provider.call(ECHO, caller=CALLER)
        nat_site.wait_landed(TELCO, CALLER, ECHO)
        assert f"@{SHOWN}:5060" in leg.target
        assert leg.hang_up() == 200
        phone = near_phone(shelf, nat, lab, "1001", "udp").dial(f"sip:{TELCO.digits}30555@{lab.domain}")
        invite = provider.expect("INVITE")
        assert f"@{SHOWN}:5060" in uri_of(invite.header("contact")) and f" {SHOWN}:5060;" in invite.header("via")
        leg, _ = provider.take(invite)
        phone.wait_established()
        assert leg.hang_up() == 200
        phone.wait_closed()
        nat_site.wait_idle()
    assert wires.leaks() == []


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_nat_credentials_for_the_address_that_the_internet_sees_are_good(nat_site: Site, lab: Lab, transport: str) -> None:
    """By TLS too the client reads what no look at a packet shows."""
    account = lab.accounts["1003"]
    heard: list[Message] = []
    with lab.client("198.18.2.20", transport, edge=SHOWN) as client:
        read = client.receive

        def receive(*words) -> Message | None:
            message = read(*words)
            heard.extend([message] if message else [])
            return message

        client.receive = receive
        request = client.request("REGISTER", account.name, uri=f"sip:{SHOWN}", extra=["Expires: 600"])
        _, answer = client.authenticated(request, account)
        assert answer and answer.status == 200
        invite = invitation(client, account, ECHO)
        talk = Talk.answered(client, account, invite)
        port = 5061 if transport == "tls" else 5060
        assert f"@{SHOWN}:{port}" in talk.answer.header("contact")
        assert talk.hang_up() == 200
    nat_site.wait_idle()
    assert heard and not [message.raw for message in heard if OWN.encode() in message.raw]


def test_nat_calls_outlast_every_timer_of_theirs(nat_site: Site, nat: Nat, shelf: Shelf, lab: Lab) -> None:
    if nat_site.asterisk.kind != CHAN_SIP_16:
        pytest.skip("a minute for one kind is enough: the edge is what is tried")
    with Wires(lab, nat) as wires, Peer(lab.network, TELCO.servers[0], edge=SHOWN) as provider:
        near, far = near_phone(shelf, nat, lab, "1001", "udp"), far_phone(shelf, lab, "1002", "udp")
        eventually(lambda: nat_site.asterisk.registered("1002"), "Asterisk knows the called account")
        near.dial(f"sip:1002@{lab.domain}")
        far.answer().wait_established()
        near.wait_established()
        leg = provider.call(ECHO, caller=CALLER)
        end = time.monotonic() + HELD_SECONDS
        eventually(
            lambda: near.seen("CALL_CLOSED") or far.seen("CALL_CLOSED") or time.monotonic() > end, "the time", HELD_SECONDS + 10, 1
        )
        assert not near.seen("CALL_CLOSED") and not far.seen("CALL_CLOSED")
        assert "BYE" not in " ".join(provider.heard())
        assert leg.hang_up() == 200
        far.hang_up()
        near.wait_closed()
        nat_site.wait_idle()
    assert wires.leaks() == []
    assert wires.answers() and all(count == 1 for count in wires.answers().values()), wires.answers()
