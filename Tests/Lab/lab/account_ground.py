"""An edge whose accounts lie in a database server of the test's own."""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .accounts import Account
from .database_server import DatabaseServer, DataSources, MariaDB
from .rempart import Rempart
from .waiting import eventually

if TYPE_CHECKING:
    from conftest import Lab

# accounts-reader is replaced 10 s after the first look-up without an answer, and connects anew within 10 s.
BACK = 60.0
PASSWORD = "secret of; all"


class AccountGround:
    """The edge, the server, the DSNs that lead there, and a phone."""

    def __init__(self, lab: "Lab", server: DatabaseServer, more: Iterable[Account] = ()) -> None:
        self.lab, self.server = lab, server
        self.sources = DataSources(lab.network.edge)
        server.make([*lab.accounts.values(), *more])
        login = {"UID": "rempart", "PASSWORD": PASSWORD} if isinstance(server, MariaDB) else {"Username": "rempart"}
        self.sources.write(
            server.ini("asterisk") + server.ini("own-login", **login) + server.ini("nowhere", SOCKET="/nowhere", Servername="/nowhere")
        )
        self.secret = lab.new_folder("secret") / "secret"
        self.write_secret(PASSWORD)
        self.settings = lab.settings(Path("/"), server.schema, ["198.19.0.10"])
        self.settings.defence = {"allow": "[198.18.0.0/16]"}
        self.edge: Rempart = lab.rempart(self.text())
        self.phone = lab.client("198.18.1.37")
        self._made = 0
        # What phones ask for; with 0 nothing of them stays.
        self.expires = 600

    def end(self) -> None:
        self.edge.destroy()
        self.sources.remove()
        self.phone.socket.close()

    def write_secret(self, secret: str, mode: int = 0o600) -> None:
        self.secret.write_text(f"{secret}\n")
        self.secret.chmod(mode)

    def text(self, source: str = "asterisk", user: str = "rempart") -> str:
        """Settings with a DSN, a login, and the password of the file."""
        lines = f"odbc://{source}\n  user: {user}\n  secret-file: {self.secret}"
        return self.settings.text().replace("sqlite:///\n", f"{lines}\n")

    def adopt(self) -> None:
        """Has the edge take the settings as they are now."""
        self.edge.write_settings(self.text())
        done = self.edge.ask("reload")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def register(self, account: Account) -> int:
        """Registers by UDP, a name with its letters escaped in the URI alone; the status of the answer, or 0."""
        request = self.phone.request("REGISTER", quote(account.name), extra=[f"Expires: {self.expires}"])
        answer = self.phone.authenticated(request, account)[1]
        return answer.status if answer else 0

    def settled(self, account: Account) -> int:
        """The same of a source that is read: on a busy machine an answer may be late, which is 503."""
        answers = []

        def is_told() -> bool:
            answers.append(self.register(account))
            return answers[-1] != 503

        eventually(is_told, lambda: f"{account.name} is looked up:\n{self.edge.ask('status').stdout}", every=0.5)
        return answers[-1]

    def in_the_end(self, account: Account, status: int = 200, seconds: float = BACK) -> None:
        """Registers until the answer is that; nobody is asked twice within half a second."""
        answers = []

        def is_so() -> bool:
            answers.append(self.register(account))
            return answers[-1] == status

        eventually(is_so, lambda: f"{account.name} gets {status}, not {answers}:\n{self.edge.ask('status').stdout}", seconds, every=0.5)

    def is_well(self) -> None:
        """The source is read: who asks by a name that it does not have is told no more than that the password is wrong."""
        self.in_the_end(Account(secrets.token_hex(4), "wrong"), 401, seconds=BACK)

    def fresh(self) -> Account:
        """An account that the source has and nobody has asked for."""
        self._made += 1
        account = Account(f"fresh{self._made}", f"secret-{self._made}")
        self.server.add(account)
        return account

    def live(self, text: str) -> str:
        """What `rempart check --live` says of some settings."""
        file = self.edge.folder / "other.yaml"
        file.write_text(text)
        done = self.edge.run("check", "--live", "--settings", str(file), timeout=60)
        return done.stdout + done.stderr

    def processes(self) -> dict[str, int]:
        """All but accounts-reader, which may be replaced."""
        assert self.edge.process
        components = {each["name"]: each["pid"] for each in self.edge.status()["components"]}
        components.pop("accounts-reader")
        return {"supervisor": self.edge.process.pid, **components}
