"""What Asterisk is told to read anew counts at the edge that asks it: a new secret, and an extension that is no more."""

import os
import time
from collections.abc import Iterator

import pytest
from conftest import Lab
from lab.accounts import Account
from lab.asterisk import CHAN_SIP_16, PJSIP_16, PJSIP_22
from lab.clients import Client
from test_ari_accounts import DEADLINE, STATIC, Ground, Style, within

NEW = Account(STATIC.name, "another secret")
# With the manager interface 5 s are promised, and without it 60 s and a round, which takes no second here.
ROUND = 3 * 61.0
# What `pjsip reload` stands for in the cli_aliases.conf that Asterisk comes with.
PJSIP_RELOAD = "module reload res_pjsip.so res_pjsip_authenticator_digest.so res_pjsip_endpoint_identifier_ip.so res_pjsip_outbound_registration.so"
RELOADS = {
    "pjsip": ["module reload res_pjsip.so", PJSIP_RELOAD, "core reload"],
    "chan_sip": ["module reload chan_sip.so", "sip reload", "core reload"],
}
MANAGED = [Style(kind, has_manager=True) for kind in (PJSIP_16, PJSIP_22, CHAN_SIP_16)]
# Each takes a minute and more.
ALONE = [Style(kind, has_manager=False) for kind in ([PJSIP_16, PJSIP_22] if os.environ.get("REMPART_ALL") else [PJSIP_22])]


@pytest.fixture(scope="module", params=[*MANAGED, *ALONE], ids=str)
def ground(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Ground]:
    ground = Ground(lab, request.param)
    ground.site.settings.defence = {"allow": "[198.18.0.0/16]"}
    ground.site.edge = lab.rempart(ground.site.settings.text())
    try:
        ground.site.start()
        yield ground
    finally:
        ground.site.stop()


def have_read(ground: Ground, static: Account | None, command: str) -> float:
    """Has the static account otherwise, or not at all, and Asterisk read that by a command; the moment of it."""
    ground.lay(static)
    ground.site.asterisk.cli(command)
    return time.monotonic()


def ends(ground: Ground, since: float, what: str, seconds: float) -> None:
    """Waits until the account's phones are bound no more, and prints how long that took."""
    within(lambda: STATIC.name not in ground.registered(), lambda: f"{what} ends its bindings:\n{ground.edge.log()}", seconds)
    print(f"{ground.style}, {what}: its bindings ended {time.monotonic() - since:.1f} s after the reload")


def is_taken(ground: Ground, client: Client, account: Account, seconds: float, what: str) -> None:
    begun = time.monotonic()
    within(lambda: client.register(account) == 200, lambda: f"{what}:\n{ground.edge.log()}", seconds)
    print(f"{ground.style}, {what}: registered {time.monotonic() - begun:.1f} s later")


def change_and_delete(ground: Ground, lab: Lab, command: str, seconds: float) -> None:
    """A new secret, then no account, then all as it was."""
    with lab.client("198.18.2.35") as client, lab.client("198.18.2.36") as other:
        is_taken(ground, client, STATIC, seconds, "as it was")
        try:
            since = have_read(ground, NEW, command)
            ends(ground, since, f"a new secret, {command}", seconds)
            assert client.register(STATIC) == 401
            is_taken(ground, other, NEW, DEADLINE, "the new one")
            since = have_read(ground, None, command)
            ends(ground, since, f"no account, {command}", seconds)
            assert other.register(NEW) == 401 and client.register(STATIC) == 401
            assert not ground.row(STATIC.name)["isAccount"]
        finally:
            have_read(ground, STATIC, command)
        is_taken(ground, client, STATIC, seconds, "as it was again")


@pytest.mark.parametrize("number", range(3), ids=["module", "driver", "all"])
def test_a_reload_counts_however_it_is_asked_for(ground: Ground, lab: Lab, number: int) -> None:
    if not ground.style.has_manager:
        pytest.skip("without the manager interface a round tells it")
    change_and_delete(ground, lab, RELOADS[ground.style.kind.schema][number], DEADLINE)


def test_a_change_counts_within_a_round_without_the_manager_interface(ground: Ground, lab: Lab) -> None:
    if ground.style.has_manager:
        pytest.skip("the manager interface tells it sooner")
    change_and_delete(ground, lab, RELOADS[ground.style.kind.schema][0], ROUND)
