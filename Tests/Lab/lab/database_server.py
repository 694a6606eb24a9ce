"""Debian's MariaDB and PostgreSQL with Realtime's tables, started by the test, and the DSNs that lead there."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .accounts import Account
from .namespaces import command
from .waiting import eventually

START_SECONDS = 30
POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
# Beside what the edge reads, what makes a database's own types and comparisons felt: enums, a column that is filled up
# with blanks, and letters of either case that are the same to MariaDB.
CHAN_SIP_TABLES = """
    CREATE TABLE sippeers (
        id INTEGER PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL UNIQUE, type ENUM('friend','user','peer'),
        host VARCHAR(40), context VARCHAR(40), permit VARCHAR(95), deny VARCHAR(95), secret VARCHAR(4000),
        md5secret VARCHAR(40), dynamic ENUM('yes','no')) CHARACTER SET utf8mb4;
"""
PJSIP_TABLES = """
    CREATE TYPE yesno_values AS ENUM ('yes', 'no');
    CREATE TABLE ps_endpoints (
        id VARCHAR(255) NOT NULL UNIQUE, aors VARCHAR(2048), auth VARCHAR(255), deny VARCHAR(95), permit VARCHAR(95),
        rewrite_contact yesno_values);
    CREATE TABLE ps_auths (id CHAR(40) PRIMARY KEY, auth_type VARCHAR(20), username VARCHAR(40), password VARCHAR(4000));
    CREATE TABLE ps_aors (id VARCHAR(255) NOT NULL UNIQUE, max_contacts INTEGER);
"""


class DatabaseServer:
    """A server that only its socket leads to, with a database `asterisk` and the login `rempart`."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def execute(self, sql: str) -> None:
        raise NotImplementedError

    def ini(self, section: str, **more: str) -> str:
        raise NotImplementedError

    def add(self, account: Account) -> None:
        raise NotImplementedError

    def change(self, account: Account, secret: str) -> None:
        raise NotImplementedError

    def answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except RuntimeError:
            return False
        return True

    def _begin(self, *arguments: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log_path = self.folder / "log"
        eventually(self.answers, lambda: f"{self.name} answers:\n{log_path.read_text(errors='replace')}", START_SECONDS)

    def start(self) -> None:
        raise NotImplementedError

    def _signal(self, number: int) -> None:
        assert self.process
        os.killpg(self.process.pid, number)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once, frozen or not; what was committed is found by its next start."""
        if self.process:
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


class MariaDB(DatabaseServer):
    """MariaDB with chan_sip's table."""

    name = "mariadb"
    schema = "chan_sip"
    table = "sippeers"

    def make(self, accounts: Iterable[Account]) -> None:
        shutil.chown(self.folder, "nobody")
        command(
            "mariadb-install-db", "--no-defaults", "--user=nobody", f"--datadir={self.folder}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip
        self.start()
        command(*self._client, "-e", "CREATE DATABASE asterisk")
        self.execute(CHAN_SIP_TABLES)
        self.execute("CREATE USER rempart@localhost IDENTIFIED BY 'secret of; all'; GRANT SELECT ON asterisk.* TO rempart@localhost")
        for account in accounts:
            self.add(account)

    def start(self) -> None:
        self._begin(
            "mariadbd", "--no-defaults", "--user=nobody", f"--datadir={self.folder}", f"--socket={self.folder}/socket",
            "--skip-networking", "--innodb-buffer-pool-size=32M",
        )  # fmt: skip

    @property
    def _client(self) -> list[str]:
        return ["mariadb", "--no-defaults", "-uroot", "--default-character-set=utf8mb4", f"--socket={self.folder}/socket"]

    def execute(self, sql: str) -> None:
        command(*self._client, "asterisk", "-e", sql)

    def answers(self) -> bool:
        return subprocess.run([*self._client, "-e", "SELECT 1"], capture_output=True, check=False).returncode == 0

    def ini(self, section: str, **more: str) -> str:
        values = {"Driver": "MariaDB Unicode", "SOCKET": f"{self.folder}/socket", "DATABASE": "asterisk", **more}
        return f"[{section}]\n" + "".join(f"{name}={value}\n" for name, value in values.items())

    def add(self, account: Account) -> None:
        self.execute(
            "INSERT INTO sippeers (name, type, host, context, secret) VALUES"
            f" ('{account.name}', 'friend', 'dynamic', 'phones', '{account.secret}')"
        )

    def change(self, account: Account, secret: str) -> None:
        self.execute(f"UPDATE sippeers SET secret = '{secret}' WHERE name = '{account.name}'")


class PostgreSQL(DatabaseServer):
    """PostgreSQL with PJSIP's tables."""

    name = "postgresql"
    schema = "pjsip"
    table = "ps_auths"
    _as_its_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")

    def make(self, accounts: Iterable[Account]) -> None:
        shutil.chown(self.folder, "postgres")
        (self.folder / "log").touch()
        data = f"{self.folder}/data"
        command(
            *self._as_its_user, str(POSTGRESQL / "initdb"), "-D", data, "-A", "trust", "--no-sync", "-E", "UTF8",
            "--locale=C.UTF-8",
        )  # fmt: skip
        self.start()
        command(*self._as_its_user, str(POSTGRESQL / "createdb"), "-h", str(self.folder), "asterisk")
        self.execute(PJSIP_TABLES)
        self.execute("CREATE ROLE rempart LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO rempart")
        for account in accounts:
            self.add(account)

    def start(self) -> None:
        self._begin(
            *self._as_its_user, str(POSTGRESQL / "postgres"), "-D", f"{self.folder}/data", "-k", str(self.folder),
            "-c", "listen_addresses=",
        )  # fmt: skip

    def _psql(self, database: str, sql: str) -> list[str]:
        return [
            *self._as_its_user, str(POSTGRESQL / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-d", database,
            "-c", sql,
        ]  # fmt: skip

    def execute(self, sql: str) -> None:
        command(*self._psql("asterisk", sql))

    def answers(self) -> bool:
        return subprocess.run(self._psql("postgres", "SELECT 1"), capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        """Ends it and its processes at once (SIGQUIT), of which none may be left at the next start."""
        if self.process:
            self.thaw()
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        self._of_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._of_all(signal.SIGCONT)

    def _of_all(self, number: int) -> None:
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in [self.process.pid, *map(int, children)]:
            os.kill(pid, number)

    def ini(self, section: str, **more: str) -> str:
        values = {"Driver": "PostgreSQL Unicode", "Servername": f"{self.folder}", "Port": "5432", "Database": "asterisk", **more}
        return f"[{section}]\n" + "".join(f"{name}={value}\n" for name, value in values.items())

    def add(self, account: Account) -> None:
        name = account.name
        self.execute(
            f"INSERT INTO ps_endpoints (id, aors, auth, rewrite_contact) VALUES ('{name}', '{name}', '{name}', 'no');"
            f"INSERT INTO ps_auths VALUES ('{name}', 'userpass', '{name}', '{account.secret}');"
            f"INSERT INTO ps_aors VALUES ('{name}', 1)"
        )

    def change(self, account: Account, secret: str) -> None:
        self.execute(f"UPDATE ps_auths SET password = '{secret}' WHERE id = '{account.name}'")


class DataSources:
    """/etc/odbc.ini as the edge's namespace sees it: ip(8) lays what is in /etc/netns over /etc."""

    def __init__(self, namespace: str) -> None:
        self.folder = Path("/etc/netns") / namespace
        # What is laid over has to be there.
        Path("/etc/odbc.ini").touch()

    def write(self, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "odbc.ini").write_text(text)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
