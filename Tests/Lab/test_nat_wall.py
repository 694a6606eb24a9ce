"""The kernel's side of the defence behind NAT, where the table sees the private address, and strangers' own."""

from conftest import Lab
from lab.mmdb import database
from lab.nat import OWN, SHOWN, Nat, behind_nat
from test_wall import FIRST, SECOND, edge_with, is_answered, passed_of_flood, replace

THIRD = "198.18.2.12"


def test_nat_bans_hold_behind_it_and_the_edges_own_addresses_are_never_banned(lab: Lab, nat: Nat) -> None:
    with edge_with(lab, {}, behind_nat) as edge:
        assert is_answered(lab, FIRST, edge=SHOWN)
        assert edge.ask("ban", FIRST, "--for", "1h").returncode == 0
        assert not is_answered(lab, FIRST, edge=SHOWN)
        assert is_answered(lab, SECOND, edge=SHOWN)
        for own in (OWN, SHOWN):
            refused = edge.ask("ban", own)
            assert refused.returncode != 0 and "the edge's own address" in refused.stderr, refused
        assert [ban["address"] for ban in edge.bans()] == [FIRST]


def test_nat_block_lists_and_countries_hold_behind_it(lab: Lab, nat: Nat) -> None:
    folder = lab.new_folder("lists")
    blocked, countries = folder / "blocked.txt", folder / "country.mmdb"
    replace(blocked, f"{FIRST}/32\n".encode())
    replace(countries, database({f"{FIRST}/32": "FR", f"{SECOND}/32": "XX", f"{THIRD}/32": "FR"}))
    with edge_with(lab, {"blocklists": f"[{blocked}]", "countries": "[FR]", "geoip": str(countries)}, behind_nat):
        assert not is_answered(lab, FIRST, edge=SHOWN)
        assert not is_answered(lab, SECOND, edge=SHOWN)
        assert is_answered(lab, THIRD, edge=SHOWN)


def test_nat_the_kernels_rate_holds_behind_it(lab: Lab, nat: Nat) -> None:
    rate, sent = 100, 2000
    with edge_with(lab, {"packets": str(rate)}, behind_nat) as edge, lab.client(FIRST, edge=SHOWN) as client:
        passed_of_flood(lab, client, rate, sent)
        assert f"{OWN} . udp . 5060" in edge.nft("list", "set", "inet", "TABLE", "outside4")


def test_nat_the_check_has_nothing_to_say_of_its_addresses(lab: Lab, nat: Nat) -> None:
    with edge_with(lab, {}, behind_nat) as edge:
        said = edge.check()
        assert said.returncode == 0 and "`outside`" not in said.stderr + said.stdout, said
        edge.write_settings(edge.settings.read_text().replace(f" as {SHOWN}", ""))
        assert f"{OWN} is a private address" in edge.check().stderr
