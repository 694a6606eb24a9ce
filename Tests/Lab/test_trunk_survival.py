"""A provider's servers that are silent, refuse or are gone; a router that is killed; settings that change meanwhile."""

import signal
from collections.abc import Iterator

import pytest
from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.peers import Leg, Peer
from lab.phones import Phone, Shelf
from lab.trunks import TELCO, Trunk
from lab.waiting import eventually

CALLER = "4930123"
FAILOVER_SECONDS = 15


@pytest.fixture
def fresh_site(trunk_site: Site) -> Site:
    """One whose edge has no memory of a server that was silent."""
    trunk_site.edge.kill_component("sip-router")
    eventually(lambda: trunk_site.edge.asterisk_state(trunk_site.asterisk.address) == "up", "its Asterisk answers")
    return trunk_site


def take(phone: Phone, server: Peer) -> Leg:
    """The call reaches a server that answers."""
    leg, _ = server.take(server.expect("INVITE", FAILOVER_SECONDS))
    phone.wait_established()
    return leg


def end(site: Site, phone: Phone, leg: Leg) -> None:
    assert leg.hang_up() == 200
    phone.wait_closed()
    site.wait_idle()


def test_trunk_a_call_that_the_first_server_leaves_unanswered_moves_to_the_second(
    fresh_site: Site, telco: Peer, lab: Lab, shelf: Shelf
) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = fresh_site.call_out(shelf, TELCO)
        telco.expect("INVITE")
        end(fresh_site, phone, take(phone, second))
        # The next one does not wait for it again.
        phone = fresh_site.call_out(shelf, TELCO)
        end(fresh_site, phone, take(phone, second))
        assert "INVITE" not in " ".join(telco.heard())
        states = {row["server"]: row["state"] for row in fresh_site.edge.status()["trunks"] if row["trunk"] == TELCO.name}
        assert states == {f"{telco.address}:5060": "down", f"{second.address}:5060": "up"}


def test_trunk_a_server_that_answers_after_the_call_has_moved_is_hung_up(
    fresh_site: Site, telco: Peer, lab: Lab, shelf: Shelf
) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = fresh_site.call_out(shelf, TELCO)
        late = telco.expect("INVITE")
        leg = take(phone, second)
        telco.take(late)
        telco.answer(telco.expect("BYE"), 200)
        assert not phone.seen("CALL_CLOSED")
        end(fresh_site, phone, leg)


def test_trunk_a_call_that_the_first_server_cannot_take_moves_to_the_second(
    fresh_site: Site, telco: Peer, lab: Lab, shelf: Shelf
) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = fresh_site.call_out(shelf, TELCO)
        telco.answer(telco.expect("INVITE"), 503)
        end(fresh_site, phone, take(phone, second))


def test_trunk_a_call_whose_first_server_is_gone_moves_to_the_second(fresh_site: Site, lab: Lab, shelf: Shelf) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = fresh_site.call_out(shelf, TELCO)
        end(fresh_site, phone, take(phone, second))


def test_trunk_a_call_that_no_server_takes_fails_at_the_phone(fresh_site: Site, telco: Peer, lab: Lab, shelf: Shelf) -> None:
    with Peer(lab.network, TELCO.servers[1]) as second:
        phone = fresh_site.call_out(shelf, TELCO)
        telco.answer(telco.expect("INVITE"), 503)
        second.answer(second.expect("INVITE"), 503)
        phone.wait_closed()
    assert not phone.seen("CALL_ESTABLISHED")
    fresh_site.wait_idle()


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
