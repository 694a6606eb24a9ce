"""The demonstration behind `make run`: it places a call by itself, says so, and leaves nothing behind."""

import os
import signal
import subprocess
from pathlib import Path

from lab.namespaces import Network, command
from lab.rempart import CHECKOUT, binaries_folder
from lab.waiting import eventually

READY_SECONDS = 40


def test_the_demonstration_places_a_call_and_cleans_up_on_ctrl_c(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as output:
        demo = subprocess.Popen(
            [str(CHECKOUT / "scripts/demo.sh"), str(binaries_folder())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        eventually(lambda: "Ctrl-C ends it" in said.read_text() or demo.poll() is not None, said.read_text, READY_SECONDS)
        text = said.read_text()
        assert "It works" in text and "password" in text and "ready | " in text, text
        assert "Asterisk 198.19.0.20:5060 up" in text
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(45) == 0, said.read_text()
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(20)
    network = Network(f"{CHECKOUT}/demo")
    assert network.prefix not in command("ip", "netns", "list")
    assert network.host_link not in command("ip", "-o", "link")
