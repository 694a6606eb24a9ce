"""Toll fraud: an account that calls what nobody calls is stopped, its calls end, and it stays so until it is released."""

import os
import signal

import pytest
from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.clients import Client
from lab.phones import Phone, Shelf
from lab.waiting import eventually

SATELLITE = "0088161234567"
ACCOUNT = "1001"
TRIES = 5


def barred(site: Site) -> list[str]:
    return [one["account"] for one in site.edge.status()["barred"] if one["barred"]]


def kill_router(site: Site) -> None:
    """Kills sip-router with -9 and waits until its successor is ready and knows its phones."""
    site.edge.kill_component("sip-router")
    eventually(lambda: site.edge.phones(ACCOUNT), "its phones are known")
    eventually(lambda: site.edge.asterisk_state(site.asterisk.address) == "up", "its Asterisk answers")


def try_call(lab: Lab, address: str, number: str) -> tuple[int, str]:
    """The status that a thief with the right password gets for a number, and the phrase; a 2xx would be hung up by nobody."""
    with lab.client(address) as thief:
        request = thief.request("INVITE", ACCOUNT, to=number)
        _, answer = thief.authenticated(request, lab.accounts[ACCOUNT])
        assert answer is not None
        return answer.status, answer.start


def steal(site: Site, lab: Lab) -> None:
    """Calls satellites with the account's own password until it is barred."""
    for number in range(TRIES):
        assert try_call(lab, "198.18.2.9", f"{SATELLITE}{number}") == (403, "SIP/2.0 403 Forbidden")
    assert barred(site) == [ACCOUNT]


def talking(site: Site, shelf: Shelf, lab: Lab) -> Phone:
    phone = shelf.phone().register(lab.accounts[ACCOUNT], "udp", lab.domain)
    phone.dial(f"sip:{ECHO}@{lab.domain}").wait_established().wait_hearing(phone.tone)
    return phone


@pytest.fixture(autouse=True)
def released(request: pytest.FixtureRequest) -> None:
    """Whatever a test leaves barred is released before the next."""
    site = request.getfixturevalue("any_site" if "any_site" in request.fixturenames else "site")
    for account in barred(site):
        site.edge.ask("release", account)


def test_guard_a_thief_is_refused_then_barred_and_the_live_call_ends_at_the_phone_and_at_asterisk(
    any_site: Site, shelf: Shelf, lab: Lab
) -> None:
    site = any_site
    phone = talking(site, shelf, lab)
    (row,) = site.edge.calls()
    assert (row["account"], row["direction"], row["peer"], row["answered"]) == (ACCOUNT, "out", ECHO, True)
    assert site.asterisk.channels() == 1
    steal(site, lab)
    phone.wait_closed()
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended the call")
    assert site.edge.calls() == []
    assert "refused a call of 1001 to " in site.edge.log() and "number-never" in site.edge.log()
    assert "1001 is barred from calling" in site.edge.log()
    # Not even an extension, until it is released.
    phone.dial(f"sip:{ECHO}@{lab.domain}")
    phone.wait("CALL_CLOSED", count=2)
    assert len(phone.seen("CALL_ESTABLISHED")) == 1
    assert site.edge.ask("release", ACCOUNT).returncode == 0
    phone.dial(f"sip:{ECHO}@{lab.domain}").wait("CALL_ESTABLISHED", count=2)
    phone.hang_up().wait("CALL_CLOSED", count=3)


def test_guard_a_killed_router_releases_nobody(site: Site, shelf: Shelf, lab: Lab) -> None:
    shelf.phone().register(lab.accounts[ACCOUNT], "udp", lab.domain)
    steal(site, lab)
    kill_router(site)
    assert barred(site) == [ACCOUNT]
    assert try_call(lab, "198.18.2.9", ECHO)[0] == 403
    before = site.edge.component("directory")["pid"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: site.edge.component("directory")["pid"] not in (0, before), "directory is back")
    kill_router(site)
    assert barred(site) == [ACCOUNT]
    assert site.edge.ask("release", ACCOUNT).returncode == 0
    assert barred(site) == []
    kill_router(site)
    assert barred(site) == []


def test_guard_a_call_between_two_phones_ends_for_both_when_one_account_is_barred(
    site: Site, shelf: Shelf, lab: Lab
) -> None:
    caller = shelf.phone().register(lab.accounts["1002"], "tls", lab.domain)
    called = shelf.phone().register(lab.accounts[ACCOUNT], "udp", lab.domain)
    eventually(lambda: site.asterisk.registered(ACCOUNT), "Asterisk knows the called account")
    caller.dial(f"sip:{ACCOUNT}@{lab.domain}")
    called.answer().wait_established()
    caller.wait_established()
    assert sorted(row["direction"] for row in site.edge.calls()) == ["in", "out"]
    steal(site, lab)
    called.wait_closed()
    caller.wait_closed()
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended the call")
    assert site.edge.calls() == []


def test_guard_a_call_without_a_password_never_reaches_asterisk(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.10") as thief:
        for number in (SATELLITE, ECHO, "1002"):
            answer = thief.answer_to(thief.request("INVITE", ACCOUNT, to=number))
            assert answer is not None and answer.status == 407
    assert site.asterisk.channels() == 0
    assert site.edge.calls() == []


def test_guard_a_call_is_ended_by_its_call_id(site: Site, shelf: Shelf, lab: Lab) -> None:
    phone = talking(site, shelf, lab)
    (row,) = site.edge.calls()
    assert site.edge.ask("calls", "--end", row["callID"]).returncode == 0
    phone.wait_closed()
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended the call")
    assert site.edge.ask("calls", "--end", row["callID"]).returncode == 1


def test_guard_a_transfer_to_a_satellite_is_refused(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.11") as thief:
        refer = thief.request("REFER", ACCOUNT, to=ECHO, extra=[f"Refer-To: <sip:{SATELLITE}0@{lab.domain}>"])
        _, answer = thief.authenticated(refer, lab.accounts[ACCOUNT])
        assert answer is not None and answer.status == 403
    explained = site.edge.ask("explain", refer.call_id)
    assert "number-never, 403" in explained.stdout


def test_guard_a_phone_that_forwards_to_a_satellite_turns_the_call_away(site: Site, shelf: Shelf, lab: Lab) -> None:
    caller = shelf.phone().register(lab.accounts["1002"], "udp", lab.domain)
    with lab.client("198.18.2.12") as called:
        assert called.register(lab.accounts["1003"]) == 200
        eventually(lambda: site.asterisk.registered("1003"), "Asterisk knows the called account")
        caller.dial(f"sip:1003@{lab.domain}")
        invite = forwarding(called)
        reply(called, invite, "302 Moved Temporarily", f"Contact: <sip:{SATELLITE}@{lab.domain}>")
        caller.wait_closed()
    assert not caller.seen("CALL_ESTABLISHED")
    assert f"refused a call of 1003 to {SATELLITE}: number-never" in site.edge.log()


def forwarding(client: Client):
    """The next INVITE that reaches a client."""
    while True:
        message = client.receive()
        assert message is not None, "no INVITE came"
        if message.start.startswith("INVITE "):
            return message


def reply(client: Client, request, status: str, *extra: str) -> None:
    """Answers a request as a phone would."""
    lines = [f"SIP/2.0 {status}", *[f"Via: {via}" for via in request.all("via")]]
    lines += [f"From: {request.header('from')}", f"To: {request.header('to')};tag=forward"]
    lines += [f"Call-ID: {request.header('call-id')}", f"CSeq: {request.header('cseq')}", *extra, "Content-Length: 0"]
    client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
