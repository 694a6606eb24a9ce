"""A phone registers over each transport, and both the edge and Asterisk itself know of it."""

import pytest
from conftest import Lab, Site
from lab.phones import Shelf
from lab.sip import credentials, parameters_of
from lab.waiting import eventually


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_phone_registers_and_the_edge_and_asterisk_see_it(any_version_site: Site, shelf: Shelf, lab: Lab, transport: str) -> None:
    account = lab.accounts["1001"]
    phone = shelf.phone().register(account, transport, lab.domain)
    (seen,) = any_version_site.edge.phones(account.name)
    assert seen["transport"] == transport
    assert transport == "tcp" or transport == "tls" or seen["address"] == f"{phone.address}:5060"
    assert 0 < seen["expires"] <= 3600
    assert "baresip" in seen["userAgent"]
    eventually(lambda: any_version_site.asterisk.registered(account.name), "Asterisk holds the edge's contact for the account")


def challenge_and_answer(lab: Lab, algorithm: str) -> tuple[list[str], int]:
    """The algorithms an edge offers, and its answer to credentials by one of them."""
    account = lab.accounts["1002"]
    with lab.client("198.18.1.30") as client:
        request = client.request("REGISTER", account.name, extra=["Subject: " + "long " * 60])
        first = client.answer_to(request)
        assert first
        offers = [parameters_of(value).get("algorithm", "MD5") for value in first.all("www-authenticate")]
        challenge = {**first.challenge("MD5"), "algorithm": algorithm}
        value = credentials(challenge, account.name, account.secret, "REGISTER", request.uri)
        second = client.answer_to(request.again(f"Authorization: {value}"))
        assert second
        return offers, second.status


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_both_digest_algorithms_are_accepted_but_md5_alone_is_offered(site: Site, lab: Lab, algorithm: str) -> None:
    """Phones of before RFC 8760 give up at a challenge with an algorithm that they do not know."""
    assert challenge_and_answer(lab, algorithm) == (["MD5"], 200)


def test_sha_256_is_offered_when_the_settings_say_so(site: Site, lab: Lab) -> None:
    right = site.edge.settings.read_text()
    site.settings.algorithms = ["MD5", "SHA-256"]
    site.edge.write_settings(site.settings.text())
    try:
        assert site.edge.ask("reload").returncode == 0
        eventually(lambda: challenge_and_answer(lab, "SHA-256") == (["MD5", "SHA-256"], 200), "both are offered")
    finally:
        site.edge.write_settings(right)
        assert site.edge.ask("reload").returncode == 0


def test_a_phone_that_unregisters_is_forgotten_by_the_edge_and_by_asterisk(site: Site, lab: Lab) -> None:
    account = lab.accounts["1003"]
    with lab.client("198.18.1.31") as client:
        assert client.register(account) == 200
        assert [phone["account"] for phone in site.edge.phones(account.name)] == [account.name]
        eventually(lambda: site.asterisk.registered(account.name), "Asterisk holds a contact")
        assert client.register(account, expires=0) == 200
    assert site.edge.phones(account.name) == []
    eventually(lambda: not site.asterisk.registered(account.name), "Asterisk holds no contact any more")


def test_one_account_has_several_phones(site: Site, lab: Lab) -> None:
    account = lab.accounts["1004"]
    with lab.client("198.18.1.32") as first, lab.client("198.18.1.33", "tcp") as second:
        assert first.register(account) == 200
        assert second.register(account) == 200
        assert sorted(phone["transport"] for phone in site.edge.phones(account.name)) == ["tcp", "udp"]


def test_a_fetch_lists_the_bindings_and_a_star_removes_them(site: Site, lab: Lab) -> None:
    account = lab.accounts["1005"]
    with lab.client("198.18.1.34") as client:
        assert client.register(account) == 200
        fetch = client.request("REGISTER", account.name)
        fetch.contact = ""
        _, listed = client.authenticated(fetch, account)
        assert listed and listed.status == 200
        assert [f"sip:{account.name}@{client.address}:{client.port}" in contact for contact in listed.all("contact")] == [True]
        star = client.request("REGISTER", account.name, extra=["Contact: *", "Expires: 0"])
        star.contact = ""
        _, removed = client.authenticated(star, account)
        assert removed and removed.status == 200 and removed.all("contact") == []
    assert site.edge.phones(account.name) == []


def test_a_binding_too_short_is_refused_with_the_shortest_allowed(site: Site, lab: Lab) -> None:
    account = lab.accounts["1006"]
    with lab.client("198.18.1.35") as client:
        _, answer = client.authenticated(client.request("REGISTER", account.name, extra=["Expires: 5"]), account)
    assert answer and answer.status == 423
    assert int(answer.header("min-expires")) > 5
