"""The edge in a container of the built image, started by the very command of docs/container.md in the lab's namespace."""

import json
import re
import shlex
import subprocess
from pathlib import Path

from .namespaces import command
from .rempart import CHECKOUT, Settings
from .waiting import eventually

DATABASE = "/var/lib/asterisk/realtime.sqlite3"
PAGE = CHECKOUT / "docs/container.md"


def documented(option: str, last: str) -> list[str]:
    """The words of the page's `podman run` with this option first, and this word among the last."""
    blocks = re.findall(rf"```\n(podman run {option} .*?)```", PAGE.read_text(), re.DOTALL)
    commands = [shlex.split(block.replace("\\\n", " ")) for block in blocks]
    (words,) = [words for words in commands if last in words[-2:]]
    return words


class Container:
    """One container after the other on the same volumes; those that were started are removed by `clear`."""

    def __init__(self, folder: Path, namespace: str, settings: Settings) -> None:
        self.settings_folder, self.database_folder = folder / "etc", folder / "asterisk"
        self.settings_folder.mkdir()
        self.namespace = namespace
        settings.database.parent.rename(self.database_folder)
        for name, path in (("fullchain.pem", settings.certificate), ("privkey.pem", settings.key)):
            (self.settings_folder / name).write_bytes(path.read_bytes())
        settings.database = Path(DATABASE)
        settings.certificate = Path("/etc/rempart/fullchain.pem")
        settings.key = Path("/etc/rempart/privkey.pem")
        self.write_settings(settings.text())
        self.name = namespace
        self.state = f"{namespace}-state"

    def write_settings(self, text: str) -> None:
        (self.settings_folder / "rempart.yaml").write_text(text)

    def command(self, without: str = "") -> list[str]:
        """The documented command on the lab's volumes, without a capability if one is named."""
        words = self._on_volumes(documented("--detach", "localhost/rempart:latest"))
        if without:
            place = words.index(without)
            assert words[place - 1] == "--cap-add"
            del words[place - 1 : place + 1]
        words[words.index("--name") + 1] = self.name
        # A test looks at the first end.
        words[words.index("--restart") + 1] = "no"
        return words

    def _on_volumes(self, words: list[str]) -> list[str]:
        """The words of a command, with the lab's folders in place of the machine's."""
        places = {"/etc/rempart:": self.settings_folder, "rempart-state:": self.state, "/var/lib/asterisk:": self.database_folder, ".:": self.settings_folder.parent}
        for index, word in enumerate(words):
            for there, here in places.items():
                if word.startswith(there):
                    words[index] = f"{here}:{word.removeprefix(there)}"
        return words

    def check(self) -> subprocess.CompletedProcess:
        """The documented look at the settings, in a container of its own."""
        return self.podman(*self._on_volumes(documented("--rm", "check"))[1:])

    def back_up(self) -> Path:
        """The documented backup of a running container."""
        assert (done := self.ask("backup", "/run/edge.backup")).returncode == 0, done.stderr
        done = self.podman("cp", f"{self.name}:/run/edge.backup", str(self.settings_folder.parent))
        assert done.returncode == 0, done.stderr
        assert self.podman("exec", self.name, "rm", "/run/edge.backup").returncode == 0
        return self.settings_folder.parent / "edge.backup"

    def put_back(self) -> subprocess.CompletedProcess:
        """The documented restore, in a container of its own."""
        return self.podman(*self._on_volumes(documented("--rm", "restore"))[1:])

    def podman(self, *words: str, namespace: str = "") -> subprocess.CompletedProcess:
        """Runs podman where the container's network is to be the host's."""
        enter = ["nsenter", f"--net=/run/netns/{namespace or self.namespace}"]
        return subprocess.run([*enter, "podman", *words], text=True, capture_output=True, check=False, timeout=60)

    def launch(self, without: str = "", namespace: str = "") -> "Container":
        """Starts a container and returns at once."""
        done = self.podman(*self.command(without)[1:], namespace=namespace)
        assert done.returncode == 0, done.stderr
        return self

    def start(self) -> "Container":
        """Starts a container and waits until it serves."""
        self.launch()
        eventually(lambda: self.health() == 0, lambda: f"the container is healthy; its log:\n{self.log()}", 20)
        return self

    def ask(self, *words: str) -> subprocess.CompletedProcess:
        return self.podman("exec", self.name, "rempart", *words)

    def shell(self, text: str) -> subprocess.CompletedProcess:
        return self.podman("exec", self.name, "sh", "-c", text)

    def health(self) -> int:
        """What the image's health check says: 0 healthy."""
        return self.podman("healthcheck", "run", self.name).returncode

    def log(self) -> str:
        done = self.podman("logs", self.name)
        return done.stdout + done.stderr

    def records(self) -> list[dict]:
        """The log, each line of which must be JSON."""
        return [json.loads(line) for line in self.log().splitlines()]

    def end(self, seconds: float = 20) -> int:
        """The exit code of a container that ends by itself."""
        eventually(lambda: self._state("Running") == "false", lambda: f"it ends; its log:\n{self.log()}", seconds)
        return int(self._state("ExitCode"))

    def _state(self, name: str) -> str:
        return self.podman("inspect", "--format", "{{.State." + name + "}}", self.name).stdout.strip()

    def pid(self) -> int:
        """Its process 1, as the host numbers it."""
        return int(self._state("Pid"))

    def stop(self) -> int:
        """`podman stop`; the container's exit code."""
        done = self.podman("stop", self.name)
        assert done.returncode == 0, done.stderr
        return int(self._state("ExitCode"))

    def remove(self) -> None:
        self.podman("rm", "--force", "--time", "0", self.name)

    def clear(self) -> None:
        """Removes the container, its state, and the table that outlives it by design."""
        self.remove()
        self.podman("volume", "rm", "--force", self.state)
        subprocess.run([*self._in_namespace(), "nft", "delete", "table", "inet", "rempart"], capture_output=True, check=False)

    def _in_namespace(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace]

    def nft(self, *words: str) -> str:
        """What nft(8) prints in the namespace that is the container's host."""
        return command(*self._in_namespace(), "nft", *words)
