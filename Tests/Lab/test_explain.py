"""What an administrator is told of Asterisks and of one account, with real Asterisks and a registered phone."""

import json
from dataclasses import replace

from conftest import Lab, Site
from lab.phones import Shelf
from lab.waiting import eventually


def explained(site: Site, word: str) -> dict:
    done = site.edge.ask("explain", word, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_status_and_explain_tell_of_an_account_where_it_is_registered(any_site: Site, shelf: Shelf, lab: Lab) -> None:
    account = lab.accounts["1001"]
    phone = shelf.phone().register(account, "udp", lab.domain)
    eventually(
        lambda: [row["state"] for row in explained(any_site, account.name)["asterisks"]] == ["registered"],
        lambda: f"the account is registered at Asterisk: {explained(any_site, account.name)}",
    )
    (server,) = any_site.edge.status()["asterisk"]
    assert server["state"] == "up" and server["registered"] == server["accounts"] > 0
    assert 0 < server["roundTripMicroseconds"] < 2_000_000 and server["since"] > 1_000_000_000
    shown = any_site.edge.ask("status").stdout
    assert "ROUND TRIP" in shown and " of ".join([str(server["registered"]), str(server["accounts"])]) in shown

    told = explained(any_site, account.name)
    assert told["known"] and told["source"]["isAccount"] and told["source"]["mayRegister"]
    assert [seen["address"] for seen in told["phones"]] == [f"{phone.address}:5060"]
    with lab.client("198.18.1.38") as stranger:
        assert stranger.register(replace(account, secret="wrong")) == 401
    eventually(
        lambda: "wrong-password" in [row["reason"] for row in explained(any_site, account.name)["refusals"]],
        "the refusal is told",
    )
    text = any_site.edge.ask("explain", account.name).stdout
    assert f"{account.name} is an account." in text and "can be called" in text
    assert "wrong-password" in text and "Compare the phone's password" in text
    assert "Nobody knows an account `10o1`" in any_site.edge.ask("explain", "10o1").stdout
