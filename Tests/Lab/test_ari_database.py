"""An Asterisk that tells accounts by ARI has its own database lost: it calls every name unknown, and no phone is to suffer for it."""

import time

from conftest import Lab, Site
from lab import ari
from lab.account_sources import Servers
from lab.accounts import Account
from lab.asterisk import PJSIP_22
from lab.database_server import MariaDB
from lab.waiting import eventually

# A round of all known accounts comes within a minute: it would end their registrations.
ROUND = 75.0
# Promised are 10 s, after which Asterisk itself has its database again.
BACK = 60.0


def test_phones_go_on_while_the_database_behind_asterisk_is_away(lab: Lab) -> None:
    servers = Servers(lab.new_folder, lab.network.edge, list(lab.accounts.values()))
    site = None
    try:
        source = servers.source(MariaDB, "odbc", False)
        site = Site(lab, [PJSIP_22], source=source)
        for name, text in ari.additions(PJSIP_22, site.asterisk.address).items():
            with (site.asterisk.folder / name).open("a") as file:
                file.write(text)
        secret = lab.new_folder("secret") / "secret"
        ari.write_secret(secret)
        site.settings.schema, site.settings.tables = None, {}
        ari.point(site.settings, secret, site.asterisk.address, has_manager=False)
        site.edge = lab.rempart(site.settings.text())
        site.start()
        edge = site.edge
        known = [lab.accounts[str(number)] for number in range(1002, 1010)]
        with lab.client("198.18.2.35") as client:
            assert [client.register(account) for account in known] == [200] * len(known)
            assert client.register(Account("nobody", "wrong")) == 401
            source.server.kill()
            ends = time.monotonic() + ROUND
            while time.monotonic() < ends:
                assert client.register(known[0]) == 200, edge.log()
                assert client.register(lab.accounts["1020"]) == 503, edge.log()
                eventually(lambda: "does not know most of the accounts any more" in ari.conditions(edge), "it is told", 9)
                # Each look asks the edge three things: often enough.
                time.sleep(5)
            assert len(edge.phones()) == len(known), edge.log()
            source.server.start()
            eventually(lambda: client.register(lab.accounts["1020"]) == 200, lambda: f"others register again:\n{edge.log()}", BACK, every=1)
            assert [client.register(account) for account in known] == [200] * len(known)
    finally:
        if site:
            site.stop()
        servers.stop()
