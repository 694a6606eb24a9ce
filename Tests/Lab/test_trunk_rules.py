"""What a trunk may do and a stranger may not, and what its profile allows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.capture import Capture
from lab.clients import Client
from lab.dialogs import SDP_TYPE, offer
from lab.namespaces import EDGE_OUTSIDE
from lab.peers import Leg, Peer, user_of
from lab.phones import Shelf
from lab.sip import Request, credentials, tag_of, uri_of
from lab.trunks import SMALL, TELCO, Trunk
from lab.waiting import eventually
from test_bans import banned_in_kernel

CALLER = "4930123"
STRANGER = "198.18.2.25"
MANY_WRONG_PASSWORDS = 200
MANY_REQUESTS, AT_ONCE = 1500, 50


@pytest.fixture
def stranger(lab: Lab, trunk_site: Site) -> Iterator[Peer]:
    with Peer(lab.network, STRANGER, 0, lab.network.clients) as stranger:
        yield stranger


# Caller IDs and dialled numbers.


@pytest.fixture
def trusting_row(trunk_site: Site) -> str:
    """An account of which Asterisk asks no password, since its row says that the edge has done so."""
    with closing(sqlite3.connect(trunk_site.database)) as database, database:
        database.execute("UPDATE sippeers SET insecure = 'port,invite' WHERE name = '1005'")
    trunk_site.asterisk.cli("sip prune realtime peer 1005")
    return "1005"


def test_trunk_a_caller_id_of_an_account_whose_row_trusts_the_edge_lands_in_the_trunks_context(
    trunk_site: Site, telco: Peer, trusting_row: str
) -> None:
    leg = telco.call(ECHO, caller=trusting_row)
    trunk_site.wait_landed(TELCO, TELCO.name, ECHO)
    assert leg.hang_up() == 200
    trunk_site.wait_idle()


SPELLINGS = {
    "escaped": "sip:%31005@198.18.3.10",
    "parameter": "sip:1005;isub=1@198.18.3.10",
    "password": "sip:1005:x@198.18.3.10",
    "nul": "sip:1005%00x@198.18.3.10",
    "tel": "tel:1005",
    "inside": "sip:1005@198.19.0.10",
    "port": "sip:1005@198.18.3.10:5060;user=phone",
    "host-alone": "sip:1005",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_trunk_no_spelling_of_the_name_of_such_an_account_makes_asterisk_take_the_caller_for_it(
    trunk_site: Site, telco: Peer, trusting_row: str, spelling: str
) -> None:
    request = telco.invite(ECHO)
    request.sender = SPELLINGS[spelling]
    answer = telco.ask(request)
    # It may be refused; when it is put through, then as a call of the trunk's.
    if answer.status == 200:
        assert telco.established(request, answer).hang_up() == 200
        eventually(lambda: f"landed in {TELCO.context} from" in trunk_site.asterisk.news(), trunk_site.asterisk.news)
    trunk_site.wait_idle()
    assert f"SIP/{trusting_row}-" not in trunk_site.asterisk.news()


@pytest.mark.parametrize("caller", ["%24%7BEXTEN%7D%26SIP%2Fx", "$&SIP/x", "4930&SIP/x"])
def test_trunk_a_caller_id_that_a_dialplan_would_read_as_its_own_language_is_anonymous(
    trunk_site: Site, telco: Peer, caller: str
) -> None:
    leg = telco.call(ECHO, caller=caller)
    trunk_site.wait_landed(TELCO, "anonymous", ECHO)
    assert leg.hang_up() == 200
    trunk_site.wait_idle()


@pytest.mark.parametrize("number", ["600&SIP/x", "%24%7BEXTEN%7D", "600%26SIP%2Fx"])
def test_trunk_a_dialled_number_that_a_dialplan_would_read_as_its_own_language_is_refused(
    lab: Lab, trunk_site: Site, telco: Peer, number: str
) -> None:
    with Capture(lab.network, "inside") as wire:
        request = telco.invite(number, caller=CALLER)
        assert telco.ask(request).status == 404
    assert [raw for raw in wire.signalling(outgoing=True) if raw.startswith(b"INVITE")] == []


def ping(provider: Peer) -> Request:
    return Request(
        "OPTIONS",
        f"sip:{EDGE_OUTSIDE}",
        f"sip:ping@{provider.address}",
        f"sip:{EDGE_OUTSIDE}",
        provider.via,
        provider.contact,
    )


def test_trunk_a_providers_requests_are_answered_however_many_they_are(telco: Peer) -> None:
    """More in a moment than the kernel lets a stranger send, or the edge would answer one."""
    for _ in range(MANY_REQUESTS // AT_ONCE):
        requests = [ping(telco) for _ in range(AT_ONCE)]
        for request in requests:
            telco.send(request.encoded())
        assert [telco.final(request).status for request in requests] == [200] * AT_ONCE


def test_trunk_a_provider_that_asks_whether_the_edge_is_there_is_answered_by_the_edge(
    trunk_site: Site, telco: Peer, lab: Lab
) -> None:
    request = ping(telco)
    with Capture(lab.network, "inside") as wire:
        assert telco.ask(request).status == 200
    assert [raw for raw in wire.signalling(outgoing=True) if b"ping@" in raw] == []


def test_trunk_a_call_from_a_network_of_the_trunks_lands_in_its_context(trunk_site: Site, lab: Lab) -> None:
    with Peer(lab.network, "198.18.3.50", 5080) as provider:
        leg = provider.call(ECHO, caller=CALLER)
        trunk_site.wait_landed(SMALL, CALLER, ECHO)
        assert leg.hang_up() == 200
    trunk_site.wait_idle()


def test_trunk_without_a_domain_is_called_by_its_first_servers_address(trunk_site: Site, lab: Lab, shelf: Shelf) -> None:
    with Peer(lab.network, SMALL.servers[0]) as provider:
        phone = trunk_site.call_out(shelf, SMALL)
        invite = provider.expect("INVITE")
        assert invite.start in (f"INVITE sip:30555@{provider.address}{port} SIP/2.0" for port in ("", ":5060"))
        provider.answer(invite, 486)
        phone.wait_closed()
    trunk_site.wait_idle()


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_trunk_a_provider_may_call_over_a_connection(trunk_site: Site, lab: Lab, transport: str) -> None:
    with Client(lab.network, TELCO.servers[0], transport, lab.domain, namespace=lab.network.provider) as provider:
        request = provider.request(
            "INVITE", CALLER, uri=f"sip:{ECHO}@{EDGE_OUTSIDE}", extra=[SDP_TYPE], body=offer(provider.address)
        )
        answer = provider.answer_to(request)
        assert answer and answer.status == 200
        trunk_site.wait_landed(TELCO, CALLER, ECHO)
        inside = {"uri": uri_of(answer.header("contact")), "to_tag": tag_of(answer.header("to")), "body": ""}
        provider.send(Request(**{**vars(request.again()), **inside, "method": "ACK", "cseq": request.cseq}).encoded())
        bye = provider.answer_to(Request(**{**vars(request.again()), **inside, "method": "BYE"}))
        assert bye and bye.status == 200
    trunk_site.wait_idle()


# What the profile allows.


def test_trunk_a_profile_of_one_call_refuses_the_second_from_either_side(trunk_site: Site, lab: Lab, shelf: Shelf) -> None:
    with Peer(lab.network, SMALL.servers[0]) as provider:
        leg = provider.call(ECHO, caller=CALLER)
        assert [row["account"] for row in trunk_site.edge.calls()] == ["trunk:small"]
        assert provider.ask(provider.invite(ECHO, caller=CALLER)).status == 503
        refused = trunk_site.call_out(shelf, SMALL)
        refused.wait_closed()
        assert not refused.seen("CALL_RINGING") and "INVITE" not in " ".join(provider.heard())
        assert leg.hang_up() == 200
        trunk_site.wait_idle()

        refused.dial(f"sip:{SMALL.digits}30555@{lab.domain}")
        leg, _ = provider.take(provider.expect("INVITE"))
        assert provider.ask(provider.invite(ECHO, caller=CALLER)).status == 503
        assert leg.hang_up() == 200
        trunk_site.wait_idle()
        assert provider.call(ECHO, caller=CALLER).hang_up() == 200
    trunk_site.wait_idle()


@pytest.mark.parametrize(("trunk", "profile"), [(TELCO, "trunks"), (SMALL, "little")], ids=["built-in", "written"])
def test_trunk_explain_names_the_trunk_and_its_profile(trunk_site: Site, trunk: Trunk, profile: str) -> None:
    done = trunk_site.edge.ask("explain", trunk.servers[0])
    assert done.returncode == 0, done.stderr
    assert trunk.name in done.stdout and profile in done.stdout, done.stdout


# Bans.


def test_trunk_a_provider_is_not_banned_by_hand_and_the_answer_says_why(trunk_site: Site, telco: Peer, lab: Lab) -> None:
    done = trunk_site.edge.ask("ban", telco.address, "--for", "1h")
    assert done.returncode != 0
    assert TELCO.name in done.stdout + done.stderr, done.stdout + done.stderr
    assert not banned_in_kernel(trunk_site.edge, telco.address)
    assert telco.call(ECHO, caller=CALLER).hang_up() == 200
    trunk_site.wait_idle()


def wrong_password(request: Request, challenge: dict[str, str], count: int) -> bytes:
    value = credentials(challenge, "1001", "wrong", "REGISTER", request.uri, count)
    return request.again(f"Authorization: {value}").encoded()


def test_trunk_a_provider_that_talks_rubbish_and_guesses_passwords_is_never_banned(
    trunk_site: Site, telco: Peer, lab: Lab
) -> None:
    for number in range(100):
        telco.send(b"\x00\xff rubbish %d\r\n\r\n" % number)
        telco.send(b"INVITE sip:600@%s SIP/2.0\r\nVia: nonsense\r\n\r\n" % EDGE_OUTSIDE.encode())
    own = f"sip:1001@{lab.domain}"
    request = Request("REGISTER", f"sip:{lab.domain}", own, own, telco.via, telco.contact, extra=["Expires: 600"])
    challenged = telco.ask(request)
    assert challenged.status == 401
    for count in range(1, MANY_WRONG_PASSWORDS + 1):
        telco.send(wrong_password(request, challenged.challenge(), count))
    telco.wait(lambda m: m.status == 401 and m.header("call-id") == request.call_id, "an answer to a wrong password")
    assert telco.call(ECHO, caller=CALLER).hang_up() == 200
    assert [ban for ban in trunk_site.edge.bans() if ban["address"] == telco.address] == []
    assert not banned_in_kernel(trunk_site.edge, telco.address)
    trunk_site.wait_idle()


# Strangers.


def test_trunk_the_same_call_from_a_stranger_is_challenged_and_never_reaches_asterisk(
    trunk_site: Site, stranger: Peer, lab: Lab
) -> None:
    with Capture(lab.network, "inside") as wire:
        # Over UDP, by the edge's address as a provider would.
        request = stranger.invite(ECHO, caller=CALLER)
        request.sender = f"sip:{CALLER}@{TELCO.domain}"
        assert stranger.ask(request).status == 407
    assert [raw for raw in wire.signalling(outgoing=True) if raw.startswith(b"INVITE")] == []
    assert trunk_site.edge.calls() == []


def test_trunk_a_stranger_with_the_token_of_a_trunks_call_must_authenticate(
    trunk_site: Site, telco: Peer, stranger: Peer, lab: Lab
) -> None:
    leg = telco.call(ECHO, caller=CALLER)
    stolen = Leg(**{**vars(leg), "peer": stranger})
    with Capture(lab.network, "inside") as wire:
        for method in ("BYE", "INVITE", "UPDATE"):
            assert stranger.ask(stolen.request(method)).status == 407
    # Not even the ACK of a refused INVITE, which nobody can be asked a password for.
    assert [raw for raw in wire.signalling(outgoing=True) if stranger.address.encode() in raw] == []
    assert trunk_site.asterisk.channels() == 1
    assert leg.hang_up() == 200
    trunk_site.wait_idle()


def test_trunk_asterisks_own_number_arrives_at_the_provider(trunk_site: Site, telco: Peer, shelf: Shelf) -> None:
    phone = trunk_site.call_out(shelf, TELCO)
    invite = telco.expect("INVITE")
    assert user_of(invite.header("from")) == "1001"
    assert user_of(invite.header("to")) == "30555"
    telco.answer(invite, 486)
    phone.wait_closed()
    trunk_site.wait_idle()
