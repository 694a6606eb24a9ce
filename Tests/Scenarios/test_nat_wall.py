"""The kernel's side of the defence behind NAT, where the table sees the private address, and strangers' own."""

import contextlib
from collections.abc import Iterator

from conftest import Lab
from lab.mmdb import database
from lab.nat import OWN, SHOWN, Nat, behind_nat
from lab.rempart import Rempart
from test_wall import FIRST, SECOND, passed_of_flood, replace


@contextlib.contextmanager
def edge_behind_nat(lab: Lab, defence: dict[str, str]) -> Iterator[Rempart]:
    """One that needs no Asterisk."""
    settings = lab.settings(lab.database("chan_sip"), "chan_sip", ["198.19.0.10"])
    settings.defence = defence
    behind_nat(settings)
    edge = lab.rempart(settings.text()).start()
    try:
        yield edge
    finally:
        edge.destroy()


def is_answered(lab: Lab, address: str) -> bool:
    with lab.client(address, edge=SHOWN) as client:
        return client.answer_to(client.request("OPTIONS", "1001"), seconds=1) is not None


def test_nat_bans_hold_behind_it_and_the_edges_own_addresses_are_never_banned(lab: Lab, nat: Nat) -> None:
    with edge_behind_nat(lab, {}) as edge:
        assert is_answered(lab, FIRST)
        assert edge.ask("ban", FIRST, "--for", "1h").returncode == 0
        assert not is_answered(lab, FIRST)
        assert is_answered(lab, SECOND)
        for own in (OWN, SHOWN):
            refused = edge.ask("ban", own)
            assert refused.returncode != 0 and "the edge's own address" in refused.stderr, refused
        assert [ban["address"] for ban in edge.bans()] == [FIRST]


def test_nat_block_lists_and_countries_hold_behind_it(lab: Lab, nat: Nat) -> None:
    folder = lab.new_folder("lists")
    blocked, countries = folder / "blocked.txt", folder / "country.mmdb"
    replace(blocked, f"{FIRST}/32\n".encode())
    replace(countries, database({"198.18.0.0/16": "FR", f"{SECOND}/32": "XX"}))
    with edge_behind_nat(lab, {"blocklists": f"[{blocked}]", "countries": "[FR]", "geoip": str(countries)}):
        assert not is_answered(lab, FIRST)
        assert not is_answered(lab, SECOND)
        assert is_answered(lab, "198.18.2.12")


def test_nat_the_kernels_rate_holds_behind_it(lab: Lab, nat: Nat) -> None:
    rate, sent = 100, 2000
    with edge_behind_nat(lab, {"packets": str(rate)}) as edge, lab.client(FIRST, edge=SHOWN) as client:
        passed_of_flood(lab, client, rate, sent)
        assert f"{OWN} . udp . 5060" in edge.nft("list", "set", "inet", "TABLE", "outside4")


def test_nat_the_check_has_nothing_to_say_of_its_addresses(lab: Lab, nat: Nat) -> None:
    with edge_behind_nat(lab, {}) as edge:
        said = edge.check()
        assert said.returncode == 0 and "`outside`" not in said.stderr + said.stdout, said
        edge.write_settings(edge.settings.read_text().replace(f" as {SHOWN}", ""))
        assert f"{OWN} is a private address" in edge.check().stderr
