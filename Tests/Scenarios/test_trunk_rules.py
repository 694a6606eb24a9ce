"""What a trunk may do and a stranger may not, what its profile allows, and what happens when a server is gone."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.capture import Capture
from lab.namespaces import EDGE_OUTSIDE
from lab.peers import Leg, Peer, user_of
from lab.phones import Phone, Shelf
from lab.sip import Request, credentials
from lab.trunks import SMALL, TELCO, Trunk
from lab.waiting import eventually
from test_bans import banned_in_kernel

CALLER = "4930123"
STRANGER = "198.18.2.25"
MANY_WRONG_PASSWORDS = 200
FAILOVER_SECONDS = 15


@pytest.fixture
def telco(lab: Lab, trunk_site: Site) -> Iterator[Peer]:
    with Peer(lab.network, TELCO.servers[0]) as provider:
        yield provider


@pytest.fixture
def stranger(lab: Lab, trunk_site: Site) -> Iterator[Peer]:
    with Peer(lab.network, STRANGER, 0, lab.network.clients) as stranger:
        yield stranger


# Caller IDs and dialled numbers.


def test_trunk_a_caller_id_of_an_account_whose_row_trusts_the_edge_lands_in_the_trunks_context(
    trunk_site: Site, telco: Peer
) -> None:
    with closing(sqlite3.connect(trunk_site.database)) as database, database:
        database.execute("UPDATE sippeers SET insecure = 'port,invite' WHERE name = '1005'")
    trunk_site.asterisk.cli("sip prune realtime peer 1005")
    leg = telco.call(ECHO, caller="1005")
    trunk_site.wait_landed(TELCO, TELCO.name, ECHO)
    assert leg.hang_up() == 200
    trunk_site.wait_idle()


@pytest.mark.parametrize("caller", ["%24%7BEXTEN%7D%26SIP%2Fx", "$&SIP/x", "4930&SIP/x"])
def test_trunk_a_caller_id_that_a_dialplan_would_read_as_its_own_language_is_anonymous(
    trunk_site: Site, telco: Peer, caller: str
) -> None:
    leg = telco.call(ECHO, caller=caller)
    trunk_site.wait_landed(TELCO, "anonymous", ECHO)
    assert leg.hang_up() == 200
    trunk_site.wait_idle()


@pytest.mark.parametrize("number", ["600&SIP/x", "%24%7BEXTEN%7D", "600%26SIP%2Fx", "${EXTEN}"])
def test_trunk_a_dialled_number_that_a_dialplan_would_read_as_its_own_language_is_refused(
    lab: Lab, trunk_site: Site, telco: Peer, number: str
) -> None:
    with Capture(lab.network, "inside") as wire:
        request = telco.invite(number, caller=CALLER)
        # What is no SIP at all need not be understood well enough to be called unknown.
        assert telco.ask(request).status in ((400, 404) if "{" in number else (404,))
    assert [raw for raw in wire.signalling(outgoing=True) if raw.startswith(b"INVITE")] == []


# Servers that are silent, refuse, or are gone.


def takes(trunk_site: Site, phone: Phone, second: Peer) -> None:
    """The call reaches the second server, lives, and is ended by it."""
    leg, _ = second.take(second.expect("INVITE", FAILOVER_SECONDS))
    phone.wait_established()
    assert leg.hang_up() == 200
    phone.wait_closed()
    trunk_site.wait_idle()


def test_trunk_a_call_that_the_first_server_leaves_unanswered_moves_to_the_second(
    trunk_site: Site, telco: Peer, lab: Lab, shelf: Shelf
) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = trunk_site.call_out(shelf, TELCO)
        telco.expect("INVITE")
        takes(trunk_site, phone, second)


def test_trunk_a_call_that_the_first_server_cannot_take_moves_to_the_second(
    trunk_site: Site, telco: Peer, lab: Lab, shelf: Shelf
) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = trunk_site.call_out(shelf, TELCO)
        telco.answer(telco.expect("INVITE"), 503)
        takes(trunk_site, phone, second)


def test_trunk_a_call_whose_first_server_is_gone_moves_to_the_second(trunk_site: Site, lab: Lab, shelf: Shelf) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        takes(trunk_site, trunk_site.call_out(shelf, TELCO), second)


def test_trunk_a_call_that_no_server_takes_fails_at_the_phone(trunk_site: Site, telco: Peer, lab: Lab, shelf: Shelf) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = trunk_site.call_out(shelf, TELCO)
        telco.answer(telco.expect("INVITE"), 503)
        second.answer(second.expect("INVITE"), 503)
        phone.wait_closed()
    assert not phone.seen("CALL_ESTABLISHED")
    trunk_site.wait_idle()


def test_trunk_a_provider_that_asks_whether_the_edge_is_there_is_answered_by_the_edge(
    trunk_site: Site, telco: Peer, lab: Lab
) -> None:
    own = f"sip:ping@{telco.address}"
    request = Request("OPTIONS", f"sip:{EDGE_OUTSIDE}", own, f"sip:{EDGE_OUTSIDE}", telco.via, telco.contact)
    with Capture(lab.network, "inside") as wire:
        assert telco.ask(request).status == 200
    assert [raw for raw in wire.signalling(outgoing=True) if b"ping@" in raw] == []


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
    assert not banned_in_kernel(lab, telco.address)
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
    assert not banned_in_kernel(lab, telco.address)
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
    trunk_site: Site, telco: Peer, stranger: Peer
) -> None:
    leg = telco.call(ECHO, caller=CALLER)
    stolen = Leg(**{**vars(leg), "peer": stranger})
    for method in ("BYE", "INVITE", "UPDATE"):
        assert stranger.ask(stolen.request(method)).status == 407
    assert trunk_site.asterisk.channels() == 1
    assert leg.hang_up() == 200
    trunk_site.wait_idle()


# A process that is killed, settings that change.


@pytest.mark.parametrize("side", ["provider", "asterisk"])
@pytest.mark.parametrize("direction", ["from", "to"])
def test_trunk_a_call_can_be_hung_up_after_the_router_was_killed(
    trunk_site: Site, telco: Peer, shelf: Shelf, direction: str, side: str
) -> None:
    if direction == "from":
        leg = telco.call(ECHO, caller=CALLER)
    else:
        phone = trunk_site.call_out(shelf, TELCO)
        leg, _ = telco.take(telco.expect("INVITE"))
        phone.wait_established()
    trunk_site.edge.kill_component("sip-router")
    if side == "provider":
        assert leg.hang_up() == 200
    else:
        trunk_site.asterisk.cli("channel request hangup all")
        bye = telco.expect("BYE")
        assert bye.start == f"BYE {telco.contact} SIP/2.0"
        telco.answer(bye, 200)
    eventually(lambda: trunk_site.asterisk.channels() == 0, "Asterisk has ended the call")


@pytest.fixture
def changed(trunk_site: Site) -> Iterator[Site]:
    """A site whose settings are put back after the test."""
    right = trunk_site.edge.settings.read_text()
    yield trunk_site
    trunk_site.edge.write_settings(right)
    assert trunk_site.edge.ask("reload").returncode == 0


def hup(site: Site) -> None:
    assert site.edge.process
    site.edge.process.send_signal(signal.SIGHUP)


def test_trunk_another_list_of_servers_takes_effect_by_a_reload(changed: Site, telco: Peer, lab: Lab, shelf: Shelf) -> None:
    assert telco.call(ECHO, caller=CALLER).hang_up() == 200
    right = changed.edge.settings.read_text()
    changed.edge.write_settings(right.replace(", ".join(TELCO.servers), "198.18.3.40"))
    hup(changed)
    with Peer(lab.network, "198.18.3.40") as moved:
        eventually(lambda: moved.ask(moved.invite("no-such")).status == 404, "calls of the new server pass")
        assert moved.call(ECHO, caller=CALLER).hang_up() == 200
        phone = changed.call_out(shelf, TELCO)
        leg, _ = moved.take(moved.expect("INVITE"))
        assert leg.hang_up() == 200
        phone.wait_closed()
    assert telco.ask(telco.invite(ECHO, caller=CALLER)).status == 407
    assert "INVITE" not in " ".join(telco.heard())
    changed.wait_idle()


def test_trunk_a_new_trunk_needs_a_restart_and_the_edge_says_so(changed: Site, telco: Peer) -> None:
    right = changed.edge.settings.read_text()
    more = Trunk("later", "84", 5074, ("198.18.3.40",)).settings()
    changed.edge.write_settings(right.replace("trunks:\n", "trunks:\n" + more, 1))
    before = len(changed.edge.log())
    done = changed.edge.ask("reload")

    def said() -> str:
        return (done.stdout + done.stderr + changed.edge.log()[before:]).lower()

    eventually(lambda: "trunk" in said() and "restart" in said(), said)
    # The others go on.
    assert telco.call(ECHO, caller=CALLER).hang_up() == 200
    changed.wait_idle()


def test_trunk_asterisks_own_number_arrives_at_the_provider(trunk_site: Site, telco: Peer, shelf: Shelf) -> None:
    phone = trunk_site.call_out(shelf, TELCO)
    invite = telco.expect("INVITE")
    assert user_of(invite.header("from")) == "1001"
    assert user_of(invite.header("to")) == "30555"
    telco.answer(invite, 486)
    phone.wait_closed()
    trunk_site.wait_idle()
