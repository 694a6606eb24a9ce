"""The same database servers with an address inside, so that TCP leads there and can be cut, and with all that ails servers."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from .accounts import Account
from .database_server import POSTGRESQL, DatabaseServer, MariaDB, PostgreSQL
from .namespaces import Network, command, entered

# Of the login `rempart`.
PASSWORD = "secret of; all"
# Where the servers stand: in the namespace of the second PBX.
ADDRESS = "198.19.0.20"
CUT = """
table ip cut {
    chain comes {
        type filter hook input priority 0;
        tcp sport %(port)d drop
    }
    chain goes {
        type filter hook output priority 0;
        tcp dport %(port)d drop
    }
}
"""


class Placed(DatabaseServer):
    """What both have in common beside their place.

    Whoever asks for an account waits for as long as the one row of the table `delay` says: a view stands before the table.
    """

    port = 0
    # The table that a view stands before, and what that view is made with.
    slowed = ""
    view = ""

    def __init__(self, folder: Path, network: Network) -> None:
        super().__init__(folder)
        self.network = network
        self.prefix = ["ip", "netns", "exec", network.pbx[ADDRESS]]

    def lay_delay(self) -> None:
        """Puts the view before the table, slow by no time yet."""
        self.execute("CREATE TABLE delay (seconds FLOAT); INSERT INTO delay VALUES (0)")
        self.execute(f"ALTER TABLE {self.slowed} RENAME TO all_{self.slowed}")
        self.execute(f"CREATE VIEW {self.slowed} AS SELECT * FROM all_{self.slowed} WHERE {self.view}")

    def delay(self, seconds: float) -> None:
        self.execute(f"UPDATE delay SET seconds = {seconds}")

    def refuse(self) -> None:
        """Takes the login no more, and ends its connections."""
        raise NotImplementedError

    def admit(self) -> None:
        raise NotImplementedError

    def multiply(self, count: int) -> list[Account]:
        """Adds so many accounts at once."""
        raise NotImplementedError

    @contextlib.contextmanager
    def dead(self) -> Iterator[None]:
        """Nobody listens at its port."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It is there and does nothing; its kernel acknowledges all."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        """No packet comes through, and nobody is told."""
        in_edge = ["ip", "netns", "exec", self.network.edge]
        command(*in_edge, "nft", "-f", "-", input=CUT % {"port": self.port})
        try:
            yield
        finally:
            command(*in_edge, "nft", "delete", "table", "ip", "cut")

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """It takes no login."""
        self.refuse()
        try:
            yield
        finally:
            self.admit()

    @contextlib.contextmanager
    def mute(self) -> Iterator[None]:
        """In its place somebody takes connections and says nothing: a driver waits in connect."""
        self.kill()
        ended = threading.Event()
        with entered(self.prefix[-1]):
            listener = socket.create_server((ADDRESS, self.port))

        def listen() -> None:
            taken = []
            while not ended.is_set():
                if select.select([listener], [], [], 0.1)[0]:
                    taken.append(listener.accept()[0])
            for connection in taken:
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            listener.close()
            self.start()

    @contextlib.contextmanager
    def slow(self) -> Iterator[None]:
        """Each look-up takes longer than a statement may."""
        self.delay(5)
        try:
            yield
        finally:
            self.delay(0)


class PlacedMariaDB(Placed, MariaDB):
    """MariaDB at an address."""

    port = 3306
    slowed = "sippeers"
    view = "SLEEP((SELECT seconds FROM delay)) = 0"

    def make(self, accounts: Iterable[Account]) -> None:
        super().make(accounts)
        self.execute(f"CREATE USER rempart@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON asterisk.* TO rempart@'%'")

    def start(self) -> None:
        self._begin(
            *self.prefix, "mariadbd", "--no-defaults", "--user=nobody", f"--datadir={self.folder}",
            f"--socket={self.folder}/socket", f"--bind-address={ADDRESS}", "--skip-name-resolve",
            "--innodb-buffer-pool-size=32M",
        )  # fmt: skip

    def ini(self, section: str, **more: str) -> str:
        return super().ini(section, **{"SERVER": ADDRESS, **more}).replace(f"SOCKET={self.folder}/socket\n", "")

    def refuse(self) -> None:
        self.execute("ALTER USER rempart@'%' IDENTIFIED BY 'another'; KILL CONNECTION USER rempart@'%'")

    def admit(self) -> None:
        self.execute(f"ALTER USER rempart@'%' IDENTIFIED BY '{PASSWORD}'")

    def multiply(self, count: int) -> list[Account]:
        self.execute(
            "SET max_recursive_iterations = 1000000;"
            "INSERT INTO all_sippeers (name, type, host, secret) WITH RECURSIVE numbers AS"
            f" (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
            " SELECT CONCAT('m', n), 'friend', 'dynamic', CONCAT('secret-', n) FROM numbers"
        )
        return many(count)


class PlacedPostgreSQL(Placed, PostgreSQL):
    """PostgreSQL at an address, which asks the login for its password."""

    port = 5432
    slowed = "ps_endpoints"
    view = "(SELECT pg_sleep(seconds) FROM delay)::text = ''"

    def make(self, accounts: Iterable[Account]) -> None:
        super().make(accounts)
        self.execute(
            f"ALTER ROLE rempart PASSWORD '{PASSWORD}';"
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO rempart"
        )
        rules = self.folder / "data/pg_hba.conf"
        rules.write_text("host all rempart all scram-sha-256\n" + rules.read_text())
        self.execute("SELECT pg_reload_conf()")

    def start(self) -> None:
        self._begin(
            *self.prefix, *self._as_its_user, str(POSTGRESQL / "postgres"), "-D", f"{self.folder}/data",
            "-k", str(self.folder), "-c", f"listen_addresses={ADDRESS}",
        )  # fmt: skip

    def ini(self, section: str, **more: str) -> str:
        return super().ini(section, **{"Servername": ADDRESS, **more})

    def refuse(self) -> None:
        self.execute("ALTER ROLE rempart NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rempart'")

    def admit(self) -> None:
        self.execute("ALTER ROLE rempart LOGIN")

    def multiply(self, count: int) -> list[Account]:
        numbers = f"generate_series(1, {count}) AS n"
        self.execute(
            f"INSERT INTO all_ps_endpoints (id, aors, auth) SELECT 'm' || n, 'm' || n, 'm' || n FROM {numbers};"
            f"INSERT INTO ps_auths SELECT 'm' || n, 'userpass', 'm' || n, 'secret-' || n FROM {numbers};"
            f"INSERT INTO ps_aors SELECT 'm' || n, 1 FROM {numbers};"
            "ANALYZE all_ps_endpoints; ANALYZE ps_auths; ANALYZE ps_aors"
        )
        return many(count)


def many(count: int) -> list[Account]:
    return [Account(f"m{number}", f"secret-{number}") for number in range(1, count + 1)]
