"""What differs from one old chan_sip to the next: its table, and how it speaks. The heads of Asterisk's branches 1.4 to 13.

The tables are those of Asterisk's own scripts, as a database reads them that is strict, like MySQL of today: what is too
long for its column, or no number, has the whole statement refused.
"""

import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .accounts import CHAN_SIP, Account, readable

# contrib/realtime/mysql/sipfriends.sql of 1.4 and 1.6.2: no defaultuser, no useragent, and a contact of 40 characters.
FRIENDS = """
name VARCHAR(40) PRIMARY KEY, type VARCHAR(10) NOT NULL DEFAULT '', username VARCHAR(40), secret VARCHAR(40),
md5secret VARCHAR(40), mailbox VARCHAR(20), context VARCHAR(40) NOT NULL DEFAULT '', disallow VARCHAR(20) DEFAULT 'all',
allow VARCHAR(20), host VARCHAR(40) DEFAULT 'dynamic', outboundproxy VARCHAR(40), ipaddr VARCHAR(20) NOT NULL DEFAULT '',
port INT NOT NULL DEFAULT 0, fullcontact VARCHAR(40), insecure VARCHAR(20), qualify VARCHAR(15),
regseconds INT NOT NULL DEFAULT 0, regserver VARCHAR(20), lastms INT NOT NULL DEFAULT -1
"""
# contrib/realtime/mysql/sippeers.sql of 1.8 and 11.
PEERS = """
id INT PRIMARY KEY, name VARCHAR(10) UNIQUE NOT NULL, ipaddr VARCHAR(45), port INT, regseconds INT, defaultuser VARCHAR(10),
fullcontact VARCHAR(80), regserver VARCHAR(20), useragent VARCHAR(20), lastms INT, host VARCHAR(40), type VARCHAR(6),
context VARCHAR(40), permit VARCHAR(95), deny VARCHAR(95), secret VARCHAR(40), md5secret VARCHAR(40), transport VARCHAR(7),
mailbox VARCHAR(40), qualify VARCHAR(40), insecure VARCHAR(40), disallow VARCHAR(40), allow VARCHAR(40)
"""
# contrib/ast-db-manage of 13.
MIGRATED = PEERS.replace("name VARCHAR(10)", "name VARCHAR(40)").replace("useragent VARCHAR(20)", "useragent VARCHAR(255)")


@dataclass(frozen=True, eq=False)
class OldVersion:
    """A chan_sip that no Debian of today has, as its stand-in speaks it."""

    version: str
    columns: str
    # What it calls its table.
    table: str
    # The column with the user of a Contact, and what else a registration writes there.
    user: str
    written: tuple[str, ...]
    # What it asks an INVITE for its password with; the REGISTER always with 401.
    invite_status: int = 401
    # Whether the name of the system is the realm, where it has one.
    names_realm: bool = True
    # Whether a name that it does not have is answered like a wrong password, which is how it is installed (alwaysauthreject).
    hides_names: bool = True
    # Whether it sends the message lamp to who registers.
    tells_messages: bool = True
    # What an ended registration leaves in a column of numbers.
    nothing: str = "0"
    schema: str = CHAN_SIP

    def __str__(self) -> str:
        return f"chan_sip-{self.version}"

    def lay(self, path: Path, accounts: Iterable[Account]) -> None:
        """Writes a new database with its table."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"CREATE TABLE {self.table} ({', '.join(map(strict, self.columns.split(',')))})")
            for account in accounts:
                database.execute(
                    f"INSERT INTO {self.table} (name, type, host, context, secret, disallow, allow)"
                    " VALUES (?, 'friend', 'dynamic', 'phones', ?, 'all', 'ulaw')",
                    (account.name, account.secret),
                )
        readable(path)

    @property
    def tables(self) -> Mapping[str, str]:
        """`accounts.tables` of the settings, for what it does not call as newer versions do."""
        return MappingProxyType({} if self.table == "sippeers" else {"sippeers": self.table})


def strict(column: str) -> str:
    """A column that takes nothing too long, and only numbers where its type is one."""
    name, kind = column.split()[:2]
    length = re.fullmatch(r"VARCHAR\((\d+)\)", kind)
    check = f"length({name}) <= {length[1]}" if length else f"typeof({name}) IN ('integer', 'null')"
    return f"{column} CHECK ({check})"


OLD_VERSIONS = [
    OldVersion(
        "1.4", FRIENDS, "sipfriends", "username", ("fullcontact",),
        invite_status=407, names_realm=False, hides_names=False, nothing="",
    ),
    OldVersion(
        "1.6.2", FRIENDS, "sipfriends", "username", ("fullcontact", "lastms"),
        hides_names=False, tells_messages=False, nothing="",
    ),
    OldVersion("1.8", PEERS, "sippeers", "defaultuser", ("fullcontact", "useragent", "lastms"), nothing=""),
    OldVersion("11", PEERS, "sippeers", "defaultuser", ("fullcontact", "useragent", "lastms")),
    OldVersion("13", MIGRATED, "sippeers", "defaultuser", ("fullcontact", "useragent", "lastms")),
]
