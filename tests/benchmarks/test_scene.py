"""What is measured with: a realm, tokens, keytabs, and the loops that take them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence

import pytest

from benchmarks.contest import Contender, in_turn, loops
from benchmarks.figures import Round
from benchmarks.keytabs import make_keytab
from benchmarks.large_tickets import get_ticket
from benchmarks.loops import LOOPS
from benchmarks.results import Loop
from benchmarks.scene import Scene, open_scene
from benchmarks.suite import FORGED


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """A scene."""
    with open_scene() as opened:
        yield opened


def test_loops(scene: Scene) -> None:
    """Every loop accepts every token, the same ones as the others, in as many rounds as are asked for."""
    names: list[Loop] = [name for name in LOOPS if name not in FORGED]
    with loops(scene, names) as contenders:
        taken = in_turn(contenders, scene.tokens(40), 2, warm_up=8)
    assert set(taken) == set(names)
    for rounds in taken.values():
        assert len(rounds) == 2
        assert all(each.cpu > 0 and each.rate > 0 for each in rounds)


@pytest.mark.parametrize("name", LOOPS)
def test_refused(scene: Scene, name: Loop, capfd: pytest.CaptureFixture[str]) -> None:
    """A token that is not accepted ends the measurement, or of a forged one, that is: it would be of other work."""
    token = scene.tokens(1)[0]
    with loops(scene, [name]) as contenders, pytest.raises(RuntimeError, match="has failed"):
        contenders[name]([token, token])
    assert "Error" in capfd.readouterr().err


def test_order() -> None:
    """Each round has its own part of the tokens, the same for all; those to warm up with do not count."""
    parts: dict[str, list[bytes]] = {"a": [], "b": []}

    def contender(name: str) -> Contender:
        def take(tokens: Sequence[bytes]) -> Round:
            parts[name].append(b"".join(tokens))
            return Round(1, 1)

        return take

    taken = in_turn({name: contender(name) for name in parts}, [b"%d" % number for number in range(10)], 4, warm_up=2)
    assert parts == {name: [b"01", b"23", b"45", b"67", b"89"] for name in ("a", "b")}
    assert [len(rounds) for rounds in taken.values()] == [4, 4]


def test_keytab(scene: Scene) -> None:
    """A keytab with many keys has so many, and the service's own among them."""
    keytab = make_keytab(scene, 50)
    listed = subprocess.run(["klist", "-k", keytab], check=True, capture_output=True, text=True).stdout
    assert listed.count("@") == 50
    assert "HTTP/www.example.test@" in listed.splitlines()[-1]
    with loops(scene, ["bare accept", "any host"], keytab=keytab) as contenders:
        in_turn(contenders, scene.tokens(4), 1, warm_up=0)


def test_large_ticket(scene: Scene) -> None:
    """A ticket for a user in many groups makes a token as large, and it is accepted."""
    tokens = scene.tokens(4, get_ticket(scene, 10_000))
    assert all(10_000 < len(token) < 12_000 for token in tokens)
    with loops(scene, ["bare accept", "one host"]) as contenders:
        in_turn(contenders, tokens, 1, warm_up=0)
