"""Calls of real phones through the edge to a real Asterisk, with sound in both directions."""

from conftest import Lab, Site
from lab.asterisk import ECHO
from lab.clients import Client
from lab.dialogs import SDP_TYPE, offer
from lab.phones import Phone, Shelf
from lab.sip import Message
from lab.waiting import eventually


def two_phones(site: Site, shelf: Shelf, lab: Lab, second: str = "tls") -> tuple[Phone, Phone]:
    """Phone A over UDP and phone B over another transport, both known to Asterisk."""
    caller = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    called = shelf.phone().register(lab.accounts["1002"], second, lab.domain)
    eventually(lambda: site.asterisk.registered("1002"), "Asterisk knows the called account")
    return caller, called


def call(caller: Phone, called: Phone, lab: Lab) -> None:
    """Sets a call up and waits until both hear each other."""
    caller.dial(f"sip:{called.account.name}@{lab.domain}")
    called.answer().wait_established()
    caller.wait_established()
    caller.wait_hearing(called.tone)
    called.wait_hearing(caller.tone)


def test_a_phone_calls_the_echo_extension_and_hears_itself(any_version_site: Site, shelf: Shelf, lab: Lab) -> None:
    phone = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    phone.dial(f"sip:{ECHO}@{lab.domain}").wait_established().wait_hearing(phone.tone)
    assert any_version_site.asterisk.channels() == 1
    phone.hang_up().wait_closed()
    eventually(lambda: any_version_site.asterisk.channels() == 0, "Asterisk has ended the call")


def test_udp_calls_tls_both_hear_and_the_caller_hangs_up(any_version_site: Site, shelf: Shelf, lab: Lab) -> None:
    caller, called = two_phones(any_version_site, shelf, lab)
    call(caller, called, lab)
    caller.hang_up()
    called.wait_closed()
    eventually(lambda: any_version_site.asterisk.channels() == 0, "Asterisk has ended the call")


def test_udp_calls_tls_both_hear_and_the_called_hangs_up(any_version_site: Site, shelf: Shelf, lab: Lab) -> None:
    caller, called = two_phones(any_version_site, shelf, lab)
    call(caller, called, lab)
    called.hang_up()
    caller.wait_closed()
    eventually(lambda: any_version_site.asterisk.channels() == 0, "Asterisk has ended the call")


def test_both_phones_of_an_account_ring_and_the_one_not_answered_is_cancelled(site: Site, shelf: Shelf, lab: Lab) -> None:
    caller, first = two_phones(site, shelf, lab)
    second = shelf.phone().register(lab.accounts["1002"], "tcp", lab.domain)
    caller.dial(f"sip:1002@{lab.domain}")
    first.wait("CALL_INCOMING")
    second.wait("CALL_INCOMING")
    second.order("accept")
    caller.wait_established().wait_hearing(second.tone)
    second.wait_established().wait_hearing(caller.tone)
    first.wait_closed()
    assert not first.seen("CALL_ESTABLISHED")
    caller.hang_up()
    second.wait_closed()


def test_a_caller_who_gives_up_stops_the_ringing(site: Site, shelf: Shelf, lab: Lab) -> None:
    caller, called = two_phones(site, shelf, lab)
    caller.dial(f"sip:1002@{lab.domain}")
    called.wait("CALL_INCOMING")
    caller.hang_up()
    called.wait_closed()
    assert not called.seen("CALL_ESTABLISHED")
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended the call")


def test_a_call_the_other_side_rejects_ends_at_the_caller(site: Site, shelf: Shelf, lab: Lab) -> None:
    caller, called = two_phones(site, shelf, lab)
    caller.dial(f"sip:1002@{lab.domain}")
    called.wait("CALL_INCOMING")
    called.hang_up()
    caller.wait_closed()
    eventually(lambda: site.asterisk.channels() == 0, "Asterisk has ended the call")


def test_a_call_on_hold_goes_on_afterwards(site: Site, shelf: Shelf, lab: Lab) -> None:
    caller, called = two_phones(site, shelf, lab)
    call(caller, called, lab)
    caller.order("hold")
    eventually(lambda: not called.hears(caller.tone), "the held side no longer hears the caller")
    caller.order("resume")
    called.wait_hearing(caller.tone)
    caller.hang_up()
    called.wait_closed()


def invite_status(client: Client, lab: Lab, account: str, target: str) -> Message | None:
    request = client.request("INVITE", account, to=target, extra=[SDP_TYPE], body=offer(client.address))
    _, answer = client.authenticated(request, lab.accounts[account])
    return answer


def test_a_call_to_an_unregistered_account_is_refused_by_asterisks_own_state(any_version_site: Site, lab: Lab) -> None:
    account = lab.accounts["1009"]
    with lab.client("198.18.1.36") as client:
        assert client.register(account) == 200
        answer = invite_status(client, lab, account.name, "1010")
    assert answer and 400 <= answer.status < 600 and answer.status not in (401, 403, 407, 408)
    # Its logger is a thread of its own, and may write after the answer is out.
    eventually(lambda: "1010" in any_version_site.asterisk.log(), "Asterisk itself was asked, and decided")
