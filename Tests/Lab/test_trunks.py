"""Calls from and to a provider that is known by its address alone, in front of each Asterisk."""

from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.capture import Capture
from lab.namespaces import EDGE_INSIDE
from lab.peers import Peer, user_of
from lab.phones import Phone, Shelf
from lab.trunks import TELCO
from lab.waiting import eventually

INSIDE_PREFIX = b"198.19."
CALLER = "4930123"


def server(lab: Lab, number: int = 0) -> Peer:
    """One of the provider's servers."""
    return Peer(lab.network, TELCO.servers[number])


def registered_phone(site: Site, shelf: Shelf, lab: Lab, account: str = "1002") -> Phone:
    phone = shelf.phone().register(lab.accounts[account], "udp", lab.domain)
    eventually(lambda: site.asterisk.registered(account), "Asterisk knows the called account")
    return phone


def told(wire: Capture) -> list[bytes]:
    """What the edge has said to the provider."""
    return [packet.payload for packet in wire.packets if packet.target[0] in TELCO.servers]


def test_trunk_a_providers_call_to_the_edges_address_lands_in_the_trunks_context_and_the_provider_hangs_up(
    any_trunk_site: Site, lab: Lab
) -> None:
    with server(lab) as provider:
        leg = provider.call(ECHO, caller=CALLER)
        any_trunk_site.wait_landed(TELCO, CALLER, ECHO)
        (row,) = any_trunk_site.edge.calls()
        assert row["account"] == "trunk:telco" and row["answered"], row
        assert leg.hang_up() == 200
    any_trunk_site.wait_idle()


def test_trunk_a_providers_call_rings_a_phone_with_the_callers_number_and_the_phone_hangs_up(
    any_trunk_site: Site, shelf: Shelf, lab: Lab
) -> None:
    phone = registered_phone(any_trunk_site, shelf, lab)
    with Capture(lab.network, "outside") as wire, server(lab) as provider:
        request = provider.invite("1002", caller=CALLER)
        provider.send(request.encoded())
        assert user_of(phone.wait("CALL_INCOMING")["peeruri"]) == CALLER
        phone.answer()
        provider.established(request, provider.final(request))
        phone.wait_established().hang_up()
        provider.answer(provider.expect("BYE"), 200)
        phone.wait_closed()
    any_trunk_site.wait_landed(TELCO, CALLER, "1002")
    any_trunk_site.wait_idle()
    said = told(wire)
    leaks = [message for message in said if INSIDE_PREFIX in message]
    assert not leaks, b"\n".join(leaks).decode()


def test_trunk_a_provider_that_gives_up_stops_the_ringing(any_trunk_site: Site, shelf: Shelf, lab: Lab) -> None:
    phone = registered_phone(any_trunk_site, shelf, lab)
    with server(lab) as provider:
        request = provider.invite("1002", caller=CALLER)
        provider.send(request.encoded())
        phone.wait("CALL_INCOMING")
        provider.send(request.cancel().encoded())
        assert provider.final(request).status == 487
        phone.wait_closed()
    assert not phone.seen("CALL_ESTABLISHED")
    any_trunk_site.wait_idle()


def test_trunk_a_call_to_a_busy_phone_is_busy_for_the_provider(any_trunk_site: Site, shelf: Shelf, lab: Lab) -> None:
    phone = registered_phone(any_trunk_site, shelf, lab)
    with server(lab) as provider:
        request = provider.invite("1002", caller=CALLER)
        provider.send(request.encoded())
        phone.wait("CALL_INCOMING")
        phone.hang_up()
        assert provider.final(request).status == 486
    any_trunk_site.wait_idle()


def test_trunk_a_phones_call_reaches_the_provider_at_its_domain_and_the_provider_hangs_up(
    any_trunk_site: Site, shelf: Shelf, lab: Lab
) -> None:
    with Capture(lab.network, "outside") as wire, server(lab) as provider:
        phone = any_trunk_site.call_out(shelf, TELCO)
        invite = provider.expect("INVITE")
        assert invite.start == f"INVITE sip:30555@{TELCO.domain} SIP/2.0"
        assert user_of(invite.header("from")) == "1001"
        leg, _ = provider.take(invite)
        phone.wait_established()
        (row,) = [row for row in any_trunk_site.edge.calls() if row["account"] == "trunk:telco"]
        assert row["answered"], row
        assert leg.hang_up() == 200
        phone.wait_closed()
    any_trunk_site.wait_idle()
    said = told(wire)
    leaks = [message for message in said if INSIDE_PREFIX in message]
    assert said and not leaks, b"\n".join(leaks).decode()


def test_trunk_a_phone_that_hangs_up_ends_its_call_at_the_provider(any_trunk_site: Site, shelf: Shelf, lab: Lab) -> None:
    with server(lab) as provider:
        phone = any_trunk_site.call_out(shelf, TELCO)
        provider.take(provider.expect("INVITE"))
        phone.wait_established().hang_up()
        bye = provider.expect("BYE")
        assert bye.start == f"BYE {provider.contact} SIP/2.0"
        provider.answer(bye, 200)
        phone.wait_closed()
    any_trunk_site.wait_idle()


def test_trunk_a_phone_that_gives_up_cancels_its_call_at_the_provider(any_trunk_site: Site, shelf: Shelf, lab: Lab) -> None:
    with server(lab) as provider:
        phone = any_trunk_site.call_out(shelf, TELCO)
        invite = provider.expect("INVITE")
        tag = provider.answer(invite, 180)
        phone.wait("CALL_RINGING")
        phone.hang_up()
        provider.answer(provider.expect("CANCEL"), 200, tag=tag)
        provider.answer(invite, 487, tag=tag)
        provider.expect("ACK")
        phone.wait_closed()
    any_trunk_site.wait_idle()


def test_trunk_busy_at_the_provider_is_busy_for_the_phone(any_trunk_site: Site, shelf: Shelf, lab: Lab) -> None:
    with server(lab) as provider:
        phone = any_trunk_site.call_out(shelf, TELCO)
        provider.answer(provider.expect("INVITE"), 486)
        provider.expect("ACK")
        assert "486" in phone.wait_closed()["param"]
    any_trunk_site.wait_idle()


def test_trunk_a_caller_id_that_is_an_accounts_name_lands_in_the_trunks_context_as_the_trunk(
    any_trunk_site: Site, shelf: Shelf, lab: Lab
) -> None:
    phone = registered_phone(any_trunk_site, shelf, lab)
    with server(lab) as provider:
        request = provider.invite("1002", caller="1003")
        provider.send(request.encoded())
        assert user_of(phone.wait("CALL_INCOMING")["peeruri"]) == TELCO.name
        phone.hang_up()
        assert provider.final(request).status == 486
    any_trunk_site.wait_landed(TELCO, TELCO.name, "1002")
    any_trunk_site.wait_idle()


def proxy_route(proxy: Peer) -> str:
    return f"<sip:{proxy.address};lr;way=1>"


def test_trunk_requests_in_a_providers_call_go_by_its_proxy(any_trunk_site: Site, lab: Lab) -> None:
    """The proxy passes the call on and stays in its way; what is behind it has an address that the edge never heard of."""
    with server(lab) as proxy:
        request = proxy.invite(ECHO, caller=CALLER, extra=(f"Record-Route: {proxy_route(proxy)}",))
        request.contact = "sip:gateway@192.0.2.5:5099"
        proxy.established(request, proxy.ask(request))
        any_trunk_site.wait_landed(TELCO, CALLER, ECHO)
        any_trunk_site.asterisk.cli("channel request hangup all")
        bye = proxy.expect("BYE")
        assert bye.start == "BYE sip:gateway@192.0.2.5:5099 SIP/2.0"
        assert bye.all("route") == [proxy_route(proxy)]
        proxy.answer(bye, 200)
    any_trunk_site.wait_idle()


def test_trunk_requests_in_a_call_to_a_provider_go_by_its_proxy(any_trunk_site: Site, shelf: Shelf, lab: Lab) -> None:
    with server(lab) as proxy:
        phone = any_trunk_site.call_out(shelf, TELCO)
        _, ack = proxy.take(proxy.expect("INVITE"), proxy_route(proxy))
        assert ack.all("route") == [proxy_route(proxy)]
        phone.wait_established().hang_up()
        bye = proxy.expect("BYE")
        assert bye.all("route") == [proxy_route(proxy)]
        assert bye.start == f"BYE {proxy.contact} SIP/2.0"
        proxy.answer(bye, 200)
        phone.wait_closed()
    any_trunk_site.wait_idle()


def test_trunk_asterisk_hears_of_it_from_the_trunks_own_socket_alone(any_trunk_site: Site, lab: Lab) -> None:
    with Capture(lab.network, "inside") as wire, server(lab) as provider:
        assert provider.call(ECHO, caller=CALLER).hang_up() == 200
    sent = [packet for packet in wire.packets if packet.outgoing and not packet.is_media and CALLER.encode() in packet.payload]
    assert sent and {packet.source for packet in sent} == {(EDGE_INSIDE, TELCO.port)}
    any_trunk_site.wait_idle()
