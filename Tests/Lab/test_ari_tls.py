"""Asterisk tells accounts by TLS: its certificate has to be whole, to be of somebody who is trusted, and to name the host."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PBX_OF, Lab, Site
from lab import ari
from lab.accounts import Account
from lab.asterisk import PJSIP_22
from lab.authority import Authority, Trust
from lab.waiting import eventually

# A look at an Asterisk that was away comes within 10 s.
BACK = 30.0
HOST, ELSEWHERE = "pbx.example.test", "elsewhere.example.test"
ADDRESS = PBX_OF[PJSIP_22]
STRANGER = Account("nobody", "wrong")


class Secure:
    """An Asterisk with a certificate of an authority, and what the edge's namespace trusts."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        folder: Path = lab.new_folder("authority")
        self.authority = Authority(folder, "authority")
        good = self.authority.sign("good", [f"DNS:{HOST}", f"IP:{ADDRESS}"])
        self.expired = self.authority.sign("expired", [f"DNS:{HOST}"], days=-1)
        self.trust = Trust(lab.network.edge, {HOST: ADDRESS, ELSEWHERE: ADDRESS})
        self.site = Site(lab, [PJSIP_22], more=ari.additions(PJSIP_22, ADDRESS, good))
        self.site.asterisk.start()

    def show(self, certificate: Path, key: Path) -> None:
        """Has Asterisk begin anew with another certificate."""
        self.site.asterisk.stop()
        (self.site.asterisk.folder / "http.conf").write_text(ari.additions(PJSIP_22, ADDRESS, (certificate, key))["http.conf"])
        self.site.asterisk.start()


@pytest.fixture(scope="module")
def secure(lab: Lab) -> Iterator[Secure]:
    ground = Secure(lab)
    yield ground
    ground.site.stop()
    ground.trust.remove()


def is_refused(secure: Secure, host: str, why: str) -> None:
    """Nobody is let in, and it is told why and what to do."""
    url = f"ari+https://{host}:{ari.SECURE_PORT}"
    with ari.edge_asking(secure.lab, secure.site.settings, url) as edge, secure.lab.client("198.18.2.1") as client:
        eventually(lambda: f"the certificate of {url} is refused" in ari.conditions(edge), lambda: f"it is told: {ari.conditions(edge)}", BACK)
        assert why in ari.conditions(edge) and "update-ca-certificates" in ari.conditions(edge), ari.conditions(edge)
        assert client.register(secure.lab.accounts["1001"]) == 503
        said = edge.run("check", "--live", "--settings", str(edge.settings))
        assert said.returncode != 0 and why in said.stdout + said.stderr, said


def test_a_certificate_that_nobody_here_trusts_is_refused(secure: Secure) -> None:
    is_refused(secure, HOST, "certificate")


@pytest.mark.parametrize("host", [HOST, ADDRESS])
def test_accounts_come_by_tls_where_the_certificate_is_trusted_and_names_the_host(secure: Secure, host: str) -> None:
    secure.trust.add(secure.authority)
    url = f"ari+https://{host}:{ari.SECURE_PORT}"
    with ari.edge_asking(secure.lab, secure.site.settings, url) as edge, secure.lab.client("198.18.2.2") as client:
        eventually(lambda: client.register(STRANGER) == 401, lambda: f"it is read: {ari.conditions(edge)}", BACK, every=0.5)
        account = secure.lab.accounts["1001"]
        assert client.register(Account(account.name, "wrong")) == 401
        assert client.register(account) == 200
        said = edge.run("check", "--live", "--settings", str(edge.settings))
        assert said.returncode == 0 and f"{url}: good: pjsip, " in said.stdout, said


def test_another_name_than_the_certificates_is_refused(secure: Secure) -> None:
    secure.trust.add(secure.authority)
    is_refused(secure, ELSEWHERE, "name")


def test_a_certificate_that_has_expired_is_refused(secure: Secure) -> None:
    secure.trust.add(secure.authority)
    secure.show(*secure.expired)
    is_refused(secure, HOST, "expired")
