"""What happens is told: one readable line for each registration, refusal, ban and ended process."""

import os
import signal

from conftest import Lab, Site
from lab.accounts import Account
from lab.asterisk import ECHO
from lab.phones import Shelf
from lab.waiting import eventually


def told(site: Site, *words: str) -> None:
    """Waits for one line of the log that has all of the words."""
    eventually(
        lambda: any(all(word in line for word in words) for line in site.edge.log().splitlines()),
        f"a line with {words}",
    )


def test_a_registration_and_its_end_are_told_with_account_and_address(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.21") as client:
        assert client.register(lab.accounts["1001"]) == 200
        told(site, "sip-router", "1001", "198.18.2.21")
        before = site.edge.log()
        assert client.register(lab.accounts["1001"], expires=0) == 200
        eventually(lambda: "1001" in site.edge.log().removeprefix(before), "a line for the end of the registration", seconds=30)


def test_a_refusal_and_the_ban_are_told_with_their_reason(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.22") as client:
        client.register(Account("1001", "wrong"))
        told(site, "198.18.2.22", "wrong-password")
        for _ in range(4):
            client.register(Account("1001", "wrong"))
    told(site, "banned", "198.18.2.22")
    site.edge.ask("unban", "198.18.2.22")
    told(site, "198.18.2.22", "ended", "by-hand")


def test_an_ended_process_is_told_with_its_name(site: Site) -> None:
    os.kill(site.edge.component("banner")["pid"], signal.SIGKILL)
    told(site, "banner", "ended")


def test_every_change_is_told_with_who_asked_for_it(site: Site) -> None:
    uid = f"uid {os.geteuid()}"
    for command in (
        ("allow", "198.18.2.24"),
        ("allow", "198.18.2.24", "--remove"),
        ("ban", "198.18.2.25", "--for", "60s"),
        ("unban", "198.18.2.25"),
        ("unban", "all"),
        ("release", "1001"),
        ("calls", "--end", "nobody@nowhere"),
        ("reload",),
        ("restart", "sip-router"),
    ):
        site.edge.ask(*command)
        told(site, "supervisor", uid, "asked: ", *command[:2])
    told(site, "supervisor", "sip-router ended", f"restarted for {uid}")


def test_a_call_is_told_with_its_number_its_ways_its_length_and_who_ended_it(site: Site, shelf: Shelf, lab: Lab) -> None:
    phone = shelf.phone().register(lab.accounts["1001"], "udp", lab.domain)
    phone.dial(f"sip:{ECHO}@{lab.domain}").wait_established().wait_hearing(phone.tone)
    told(site, f"call from 1001 to {ECHO} answered", "direction=outward", "asterisk=", "address=", "transport=udp")
    phone.hang_up().wait_closed()
    told(site, f"call from 1001 to {ECHO} ended by phone after ", "direction=outward", "asterisk=", "call_id=")
    phone.dial(f"sip:999999@{lab.domain}")
    told(site, "call from 1001 to 999999 not answered: 404 by asterisk")


def test_no_secret_is_ever_told(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.23") as client:
        assert client.register(lab.accounts["1002"]) == 200
    assert lab.accounts["1002"].secret not in site.edge.log()
