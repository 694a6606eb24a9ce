"""What happens is told: one readable line for each registration, refusal, ban and ended process."""

import os
import signal

from conftest import Lab, Site
from lab.accounts import Account
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
        eventually(lambda: "1001" in site.edge.log().removeprefix(before), "a line for the end of the registration")


def test_a_refusal_and_the_ban_are_told_with_their_reason(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.22") as client:
        client.register(Account("1001", "wrong"))
        told(site, "198.18.2.22", "wrong-password")
        for _ in range(4):
            client.register(Account("1001", "wrong"))
    told(site, "banned", "198.18.2.22")
    site.edge.ask("unban", "198.18.2.22")
    told(site, "198.18.2.22", "ended", "by hand")


def test_an_ended_process_is_told_with_its_name(site: Site) -> None:
    os.kill(site.edge.component("banner")["pid"], signal.SIGKILL)
    told(site, "banner", "ended")


def test_no_secret_is_ever_told(site: Site, lab: Lab) -> None:
    with lab.client("198.18.2.23") as client:
        assert client.register(lab.accounts["1002"]) == 200
    assert lab.accounts["1002"].secret not in site.edge.log()
