"""Any child may be killed at any time: calls go on and can be hung up, registrations stay, the child comes back."""

import time

import pytest
from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.phones import Phone, Shelf
from lab.rempart import COMPONENTS
from lab.waiting import eventually

BACK_WITHIN_SECONDS = 1.0
# What asking for the status may add on a busy machine.
SEEING_SECONDS = 1.0


def kill_child(site: Site, component: str) -> None:
    """Kills a child with -9 and waits until its successor is ready, which the design promises within a second."""
    before = site.edge.component(component)
    killed = time.monotonic()
    site.edge.kill_component(component)
    took = time.monotonic() - killed
    assert took < BACK_WITHIN_SECONDS + SEEING_SECONDS, f"{component} was back after {took:.2f} s"
    assert site.edge.component(component)["restarts"] == before["restarts"] + 1


def echo_call(site: Site, shelf: Shelf, lab: Lab, transport: str) -> Phone:
    phone = shelf.phone().register(lab.accounts["1001"], transport, lab.domain)
    return phone.dial(f"sip:{ECHO}@{lab.domain}").wait_established().wait_hearing(phone.tone)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_call_and_the_registrations_survive_a_killed_child(site: Site, shelf: Shelf, lab: Lab, component: str) -> None:
    phone = echo_call(site, shelf, lab, "udp")
    bindings = [(one["account"], one["contact"]) for one in site.edge.phones()]
    kill_child(site, component)
    assert phone.hears(phone.tone)
    assert not phone.seen("CALL_CLOSED")
    assert sorted((one["account"], one["contact"]) for one in site.edge.phones()) == sorted(bindings)
    phone.hang_up().wait_closed()
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has heard of the hanging up")


def test_a_tls_phone_keeps_its_connection_when_the_router_is_killed(site: Site, shelf: Shelf, lab: Lab) -> None:
    phone = echo_call(site, shelf, lab, "tls")
    (before,) = site.edge.phones("1001")
    kill_child(site, "sip-router")
    (after,) = site.edge.phones("1001")
    assert after["address"] == before["address"]
    phone.hang_up().wait_closed()
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has heard of the hanging up")


def test_a_call_can_be_hung_up_by_the_other_side_after_the_router_was_killed(site: Site, shelf: Shelf, lab: Lab) -> None:
    caller = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    called = shelf.phone().register(lab.accounts["1002"], "udp", lab.domain)
    eventually(lambda: site.asterisk.registered("1002"), "Asterisk knows the called account")
    caller.dial("sip:1002@" + lab.domain)
    called.answer().wait_established()
    caller.wait_established()
    kill_child(site, "sip-router")
    called.hang_up()
    caller.wait_closed()
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended the call")


def test_after_a_killed_router_a_registered_phone_can_be_called(site: Site, shelf: Shelf, lab: Lab) -> None:
    caller = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    called = shelf.phone().register(lab.accounts["1002"], "udp", lab.domain)
    eventually(lambda: site.asterisk.registered("1002"), "Asterisk knows the called account")
    kill_child(site, "sip-router")
    caller.dial("sip:1002@" + lab.domain)
    called.answer().wait_established()
    caller.wait_established().hang_up()
    called.wait_closed()


def test_a_component_is_restarted_by_name_alone(site: Site) -> None:
    before = {component["name"]: component["pid"] for component in site.edge.status()["components"]}
    assert site.edge.ask("restart", "directory").returncode == 0
    eventually(lambda: site.edge.component("directory")["pid"] != before["directory"], "another directory process")
    eventually(lambda: site.edge.component("directory")["state"] == "ready", "directory ready")
    after = {component["name"]: component["pid"] for component in site.edge.status()["components"]}
    assert {name for name in before if before[name] != after[name]} == {"directory"}


def test_bans_outlive_the_banner(site: Site, lab: Lab) -> None:
    assert site.edge.ask("ban", "198.18.2.20", "--for", "2h").returncode == 0
    kill_child(site, "banner")
    assert "198.18.2.20" in [ban["address"] for ban in site.edge.bans()]
    with lab.client("198.18.2.20") as client:
        assert client.answer_to(client.request("OPTIONS", "1001"), seconds=1) is None
    assert site.edge.ask("unban", "all").returncode == 0


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_a_tcp_phone_keeps_its_connection_when_the_router_is_replaced(site: Site, shelf: Shelf, lab: Lab, how: str) -> None:
    caller = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    called = shelf.phone().register(lab.accounts["1002"], "tcp", lab.domain)
    eventually(lambda: site.asterisk.registered("1002"), "Asterisk knows the called account")
    (before,) = site.edge.phones("1002")
    if how == "killed":
        kill_child(site, "sip-router")
    else:
        assert site.edge.ask("restart", "sip-router").returncode == 0
    eventually(lambda: site.edge.phones("1002")[0]["reachable"], "the phone is reachable")
    (after,) = site.edge.phones("1002")
    assert after["address"] == before["address"]
    caller.dial("sip:1002@" + lab.domain)
    called.answer().wait_established()
    caller.wait_established().hang_up()
    called.wait_closed()


def test_a_kept_connection_outlives_several_routers_and_ends_with_its_phone(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.36", "tcp") as phone:
        assert phone.register(lab.accounts["1003"]) == 200
        for _ in range(3):
            kill_child(site, "sip-router")
            assert phone.register(lab.accounts["1003"]) == 200
    eventually(lambda: not site.edge.phones("1003")[0]["reachable"], "a phone that has hung up is not reachable")
    kill_child(site, "sip-router")
    assert not site.edge.phones("1003")[0]["reachable"]


def test_the_rest_of_a_message_that_was_half_read_ends_the_connection_and_is_no_offence(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.37", "tcp") as phone:
        assert phone.register(lab.accounts["1004"]) == 200
        whole = phone.request("OPTIONS", "1004").encoded()
        cut = whole.index(b"\r\nCSeq") + 4
        phone.send(whole[:cut])
        # What the router has read is what an answer on another connection comes after.
        with lab.client("198.18.2.37", "udp") as other:
            assert other.answer_to(other.request("OPTIONS", "1004")) is not None
        kill_child(site, "sip-router")
        phone.send(whole[cut:])
        assert phone.closed()
    assert "malformed" not in site.edge.ask("why", "198.18.2.37").stdout
    with lab.client("198.18.2.37", "tcp") as phone:
        assert phone.register(lab.accounts["1004"]) == 200


def test_tls_phones_are_shown_as_unreachable_until_they_are_back(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.38", "tls") as phone:
        assert phone.register(lab.accounts["1005"]) == 200
        assert site.edge.phones("1005")[0]["reachable"]
        assert site.edge.ask("restart", "tls-terminator").returncode == 0
        eventually(lambda: not site.edge.phones("1005")[0]["reachable"], "the phone cannot be reached")
        assert "no " in site.edge.ask("phones").stdout
    with lab.client("198.18.2.38", "tls") as phone:
        assert phone.register(lab.accounts["1005"]) == 200
        # The binding of before stays, until it runs out.
        assert sorted(one["reachable"] for one in site.edge.phones("1005")) == [False, True]


def test_a_banned_source_loses_its_kept_connection(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.39", "tcp") as phone:
        assert phone.register(lab.accounts["1006"]) == 200
        kill_child(site, "sip-router")
        try:
            assert site.edge.ask("ban", "198.18.2.39").returncode == 0
            eventually(lambda: not site.edge.phones("1006")[0]["reachable"], "the connection is over")
        finally:
            assert site.edge.ask("unban", "198.18.2.39").returncode == 0
