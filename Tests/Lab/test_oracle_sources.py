"""Nobody finds out which accounts there are while their source is locked, gone, slow or hangs, nor when that begins and ends.

A wrong answer is a 401 when the source has answered for its names since it came, and a 503 when not, whatever is wrong
with it and whatever is known of the names. Either leaves 250 ms after the request. An asker sees whether there are one
name or two in his request, and which of two requests he sent first: these may differ, names may not.
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import pytest
from conftest import PBX_OF, Lab
from lab.accounts import CHAN_SIP, PJSIP
from lab.asterisk import CHAN_SIP_16
from lab.oracle import Asker, Sample, Standing, Trial
from lab.rempart import Rempart
from lab.sip import Message
from lab.slow_source import SlowFolder
from lab.waiting import eventually
from test_oracle import CLASSES, add_rows

METHODS = ["REGISTER", "INVITE", "MESSAGE"]
REGISTERED = Standing("known and registered", "1003", "wrong")
# What the median of one class may be later than that of another, in microseconds: the wheel's step, and the machine's noise.
SAME_US = 30_000
# When an answer leaves, and how much later it may come on a busy machine.
LEAVES_US, LATEST_US = 240_000, 750_000
LOCKED_SECONDS = 1.5
BETWEEN_VOLLEYS = 0.02

class Ground:
    """An edge without an Asterisk whose accounts lie in a folder that can be slow."""

    def __init__(self, lab: Lab, schema: str) -> None:
        self.lab = lab
        self.folder = SlowFolder(lab.new_folder("slow"))
        self.database = self.folder.path / "realtime.sqlite3"
        self.database.write_bytes(Path(add_rows(lab, schema)).read_bytes())
        self.database.chmod(0o644)
        settings = lab.settings(self.database, schema, [PBX_OF[CHAN_SIP_16]])
        settings.defence = {"allow": "[198.18.1.0/24]"}
        self.edge: Rempart = lab.rempart(settings.text())

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")

    @contextmanager
    def gone(self) -> Iterator[None]:
        """The file is away; accounts-reader reads on in the one that it has open until it looks for it, once a second."""
        away = self.database.with_suffix(".away")
        self.database.rename(away)
        yield
        away.rename(self.database)

    def wait_down(self) -> None:
        eventually(lambda: "can authenticate: " in self.edge.ask("status").stdout, lambda: self.edge.ask("status").stdout, 9)

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        self.folder.delay(seconds)
        try:
            yield
        finally:
            self.folder.delay(0)

    def warm(self, asker: Asker) -> None:
        """Each class asks once, and one account registers: what is known of them afterwards must not matter."""
        with self.lab.client("198.18.1.21") as client:
            account = self.lab.accounts[REGISTERED.name]
            eventually(lambda: client.register(account) == 200, "look-ups work", 30, every=0.5)
        trial = Trial(asker, [*CLASSES, REGISTERED])
        trial.run_round("REGISTER", 0, alone=False)
        assert statuses(trial.samples, "REGISTER") == {401}


@pytest.fixture(params=[CHAN_SIP, PJSIP])
def ground(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Ground]:
    ground = Ground(lab, request.param)
    try:
        ground.edge.start()
        yield ground
    finally:
        ground.folder.delay(0)
        ground.edge.destroy()
        ground.folder.remove()


@pytest.fixture
def asker(ground: Ground, lab: Lab) -> Iterator[Asker]:
    asker = Asker(lab.network, "198.18.1.20", lab.domain)
    yield asker
    asker.close()


def status_of(form: bytes) -> int:
    return Message.parse(form).status


def statuses(samples: dict[str, Sample], method: str) -> set[int]:
    return {status_of(form) for sample in samples.values() for form in sample.forms[method]}


def tried(asker: Asker, rounds: int, alone: bool) -> Trial:
    """All classes, and names that nobody has asked for before, in each method."""
    trial = Trial(asker, [])
    for number in range(rounds * len(METHODS)):
        trial.classes = [
            *CLASSES,
            REGISTERED,
            Standing("known, never asked", str(1010 + number), "wrong"),
            Standing("unknown, never asked", str(4810 + number), "wrong"),
        ]
        random.shuffle(trial.classes)
        if number == 0:
            # The first moment is the one at which what is known of a name may still matter.
            trial.classes.sort(key=lambda who: who != REGISTERED)
        trial.run_round(METHODS[number % len(METHODS)], number, alone)
    assert trial.unanswered == 0
    return trial


def judge(trial: Trial, kinds: list[str], overtaken: bool = False) -> None:
    """The same answers to all classes, at the same time.

    `overtaken`: a name that was asked before may have that look-up's answer just then, known or not, so a challenge beside the 503
    that each class has.
    """
    medians = {kind: median(trial.samples[kind].times.values()) for kind in kinds}
    for method in METHODS:
        seen = {kind: sorted(map(status_of, trial.samples[kind].forms[method])) for kind in kinds}
        print(method, seen)
        forms = {kind: frozenset(trial.samples[kind].forms[method]) for kind in kinds}
        if overtaken:
            forms = {kind: frozenset(form for form in of if status_of(form) == 503) for kind, of in forms.items()}
        assert len(set(forms.values())) == 1 and all(forms.values()), f"{method}: {seen}: {forms}"
    print({kind: f"{value / 1000:.1f} ms" for kind, value in medians.items()})
    assert max(medians.values()) - min(medians.values()) < SAME_US, medians
    times = [each for kind in kinds for each in trial.samples[kind].times.values()]
    assert LEAVES_US < min(times) and max(times) < LATEST_US, (min(times), max(times))


@pytest.mark.parametrize("how", ["locked", "gone", "hangs"])
def test_while_the_source_does_not_answer_all_wrong_answers_are_503(ground: Ground, asker: Asker, how: str) -> None:
    ground.warm(asker)
    state = {"locked": ground.locked, "gone": ground.gone, "hangs": lambda: ground.slow(3600)}[how]
    with state():
        if how == "gone":
            ground.wait_down()
        trial = tried(asker, 6, alone=False)
    judge(trial, list(trial.samples))
    assert {status for method in METHODS for status in statuses(trial.samples, method)} == {503}


def test_at_a_very_slow_source_known_and_unknown_names_are_answered_alike(ground: Ground, asker: Asker) -> None:
    """Nobody asks at the same time: so nothing but the names could make a difference."""
    ground.warm(asker)
    with ground.slow(2):
        trial = tried(asker, 2, alone=True)
    of_two = [who.kind for who in CLASSES if who.user]
    judge(trial, [kind for kind in trial.samples if kind not in of_two], overtaken=True)
    judge(trial, of_two, overtaken=True)


def volley(asker: Asker, count: int, size: int) -> tuple[list[Standing], list[int]]:
    """Sends wrong credentials for known and unknown names by turns in one instant; either kind is first every second time."""
    standings, requests, numbers = [], [], []
    for place in range(size):
        if (count + place) % 2:
            name = random.choice(["1001", REGISTERED.name, "2001", str(1004 + count % 20)])
            standings.append(Standing("known", name, "wrong"))
        else:
            name = random.choice(["4711", str(5000 + count % 4000)])
            standings.append(Standing("unknown", name, "wrong"))
        requests.append(asker.request("REGISTER", name, asker.proof("REGISTER", standings[-1])))
        numbers.append(asker.number)
    for raw in requests:
        asker.socket.send(raw)
    return standings, numbers


def collected(asker: Asker, answers: dict[int, int], seconds: float) -> None:
    """Takes the answers of some seconds in: number and status."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for number, _, raw in asker.hear(left):
            answers[number] = Message.parse(raw).status


@pytest.mark.parametrize("ground", [CHAN_SIP], indirect=True)
@pytest.mark.parametrize("how", ["locked", "gone"])
def test_when_a_source_ceases_and_begins_to_answer_a_known_and_an_unknown_name_meet_the_same(
    ground: Ground, asker: Asker, how: str
) -> None:
    """Threes go out, one kind of name between two of the other, through four beginnings and ends of the source's silence.

    One that straddles such a moment has answers of before and then of after, in the order in which it was sent.
    """
    ground.warm(asker)
    answers: dict[int, int] = {}
    threes: list[tuple[list[Standing], list[int]]] = []

    def send_for(seconds: float, until=lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            standings, numbers = volley(asker, len(threes), 3)
            threes.append((standings, numbers))
            collected(asker, answers, BETWEEN_VOLLEYS)

    def is_well() -> bool:
        newest = [answers[number] for _, numbers in threes[-40:] for number in numbers if number in answers]
        return len(newest) > 20 and set(newest) == {401}

    for _ in range(4):
        send_for(30, until=is_well)
        assert is_well()
        with {"locked": ground.locked, "gone": ground.gone}[how]():
            send_for(LOCKED_SECONDS)
    send_for(30, until=is_well)
    collected(asker, answers, 1)
    assert all(number in answers for _, numbers in threes for number in numbers)
    judge_threes(threes, answers)


def judge_threes(threes: list[tuple[list[Standing], list[int]]], answers: dict[int, int]) -> None:
    seen = [[answers[number] for number in numbers] for _, numbers in threes]
    mixed = [index for index, statuses in enumerate(seen) if len(set(statuses)) > 1]
    told = [(index, [who.kind for who in threes[index][0]], seen[index]) for index in mixed]
    print(f"{len(threes)} threes, {len(mixed)} mixed: {told}")
    assert {status for statuses in seen for status in statuses} == {401, 503}
    for index in mixed:
        before, after = set(seen[index - 1]), set(seen[index + 1])
        assert len(before) == len(after) == 1, f"one moment, two threes: {told}"
        assert {seen[index][0]} == before and {seen[index][-1]} == after, f"a name decides at {index}: {told}"


@pytest.mark.parametrize("ground", [CHAN_SIP], indirect=True)
@pytest.mark.parametrize("seconds", [0.05, 0.15])
def test_at_a_slow_source_chance_decides_and_not_the_name(ground: Ground, asker: Asker, seconds: float) -> None:
    """Some look-ups are in time and some are not, as the one before them ends: as many of either kind of names."""
    ground.warm(asker)
    answers: dict[int, int] = {}
    places: dict[tuple[str, int], list[int]] = {}
    with ground.slow(seconds):
        for count in range(40):
            standings, numbers = volley(asker, count, 2)
            collected(asker, answers, 0.6)
            for place, (who, number) in enumerate(zip(standings, numbers, strict=True)):
                places.setdefault((who.kind, place), []).append(answers[number])
    shares = {who: seen.count(401) / len(seen) for who, seen in places.items()}
    print(shares)
    # The deviation of a share of twenty is a ninth at most, that of the difference of two a sixth.
    assert all(abs(shares["known", place] - shares["unknown", place]) < 0.5 for place in range(2)), places
