"""What no config may be: too large, too deep, endless, or the way to somebody else's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import config_plugins
from support.config_plugins import WHOLE

from lpa3bench.config import Config, load_config
from lpa3bench.errors import ConfigError

LAST = len(WHOLE.splitlines()) + 1


def loaded(path: Path, *params: str) -> Config:
    return load_config([path], bindings=params, registry=config_plugins.registry())


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole config, in the working folder's folder `own`; tests add lines to it."""
    (tmp_path / "own").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = tmp_path / "own" / "a.gin"
    path.write_text(WHOLE)
    return path


def add(path: Path, text: str) -> Path:
    path.write_text(f"{WHOLE}{text}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (str(10**400), "is too large: an int has at most 63 bits"),
        ("9" * 5000, "is too large: an int has at most 63 bits"),
        (str(2**63), "is too large: an int has at most 63 bits"),
        ("-1e999", "must be finite"),
        ("[1, (2, 1e999)]", "must be finite"),
        ("2j", "must not hold a complex"),
    ],
)
@pytest.mark.parametrize("name", ["ToyTask.lr", "ToyTask.batch_size", "ToyChain.parts", "unused"])
def test_numbers_that_nothing_can_hold(number: str, says: str, name: str, written: Path) -> None:
    with pytest.raises(ConfigError, match=f"a.gin:{LAST}: .*{says}") as caught:
        loaded(add(written, f"{name} = {number}"))
    assert len(str(caught.value)) < 400
    with pytest.raises(ConfigError, match=says) as caught:
        loaded(written, f"{name}={number}")
    assert len(str(caught.value)) < 400


def test_an_int_of_63_bits_is_the_number_that_is_shown(written: Path) -> None:
    config = loaded(add(written, f"ToyTask.batch_size = {2**63 - 1}\nToyTask.weight = {2**62}"))
    assert f"tasks.ToyTask.batch_size = {2**63 - 1}\n" in config.operative
    assert f"tasks.ToyTask.weight = {float(2**62)!r}\n" in config.operative


def test_a_number_that_no_network_can_be_built_with(written: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.gin:\d+: ToyNet"):
        loaded(add(written, f"ToyNet.width = {2**62}")).try_out()


def test_more_epochs_than_anybody_trains(written: Path) -> None:
    with pytest.raises(ConfigError, match="run.epochs must be <= 1000000, not 1000000000000"):
        loaded(written, f"run.epochs={10**12}").experiment()


def chain(count: int, link: str, last: str) -> str:
    """Lines that each name the next one, and the last."""
    return "\n".join([*(link.format(number, number + 1) for number in range(count)), last.format(count)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ToyTask.notes = " + "[" * 30 + "]" * 30, "has brackets more than 20 deep"),
        ("ToyTask.notes = " + "[" * 5000, "not closed|cannot be read"),
        (chain(400, "m{} = %m{}", "m{} = 1\nToyTask.lr = %m0"), "macros more than 50 deep"),
        (chain(40, "m{0} = [%m{1}, %m{1}]", "m{} = 1\nToyTask.notes = %m0"), "more than 1000 times"),
        (
            chain(
                80,
                "s{}/ToyChain.parts = (@s{}/augmenters.ToyChain(),)",
                "s{}/ToyChain.parts = ()\nrun.view = @s0/augmenters.ToyChain()",
            ),
            "objects within objects more than 50 deep",
        ),
    ],
)
def test_what_has_no_end(text: str, says: str, written: Path) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        loaded(add(written, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_to_be_a_config(written: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        loaded(add(written, "# long\n" * 2**18))


def test_includes_that_go_on_and_on(written: Path) -> None:
    for number in range(40):
        (written.parent / f"{number}.gin").write_text(f'include "{written.parent}/{number + 1}.gin"\n')
    with pytest.raises(ConfigError, match="includes are nested more than 20 deep"):
        loaded(add(written, f'include "{written.parent}/0.gin"'))


# -------------------------------------------------------------------------------------------- foreign files
@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file of somebody else's, with a line that nobody must see."""
    (tmp_path / "else").mkdir()
    path = tmp_path / "else" / "secret.gin"
    path.write_text("password: hunter2\n")
    return path


@pytest.mark.parametrize("how", ["absolute", "relative", "link", "folder link", "other ending"])
def test_an_include_of_a_foreign_file_is_refused_unread(how: str, written: Path, foreign: Path) -> None:
    own = written.parent
    (own / "link.gin").symlink_to(foreign)
    (own / "folder").symlink_to(foreign.parent)
    (own / "secret.txt").write_text(foreign.read_text())
    name = {
        "absolute": str(foreign),
        "relative": "../" * 40 + str(foreign).lstrip("/"),
        "link": f"{own}/link.gin",
        "folder link": f"{own}/folder/secret.gin",
        "other ending": f"{own}/secret.txt",
    }[how]
    with pytest.raises(
        ConfigError, match=f"^{written}:{LAST}: include of .* is refused: it takes .gin"
    ) as caught:
        loaded(add(written, f'include "{name}"'))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("where", ["own", "here", "root"])
def test_includes_of_the_three_places_are_read(where: str, written: Path, tmp_path: Path) -> None:
    folder = {"own": written.parent, "here": Path.cwd(), "root": tmp_path / "base"}[where]
    folder.mkdir(exist_ok=True)
    (folder / "more.gin").write_text("ToyTask.lr = 0.25\n")
    name = "base/more.gin" if where == "root" else f"{folder}/more.gin"
    assert "ToyTask.lr = 0.25" in loaded(add(written, f'include "{name}"')).operative


# ---------------------------------------------------------------------------------------- marks and signs
def test_a_mark_in_front_is_read_over(written: Path) -> None:
    (written.parent / "b.gin").write_bytes(b"\xef\xbb\xbfToyTask.lr = 0.25\r\nToyTask.weight = 3.0\r\n")
    plain = loaded(add(written, "ToyTask.lr = 0.25\nToyTask.weight = 3.0")).operative
    written.write_text(f'{WHOLE}include "{written.parent}/b.gin"\n', encoding="utf-8-sig")
    assert loaded(written).operative == plain


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x9b", "\u202e", "\u2066", "\u2028", "\x0c"])
@pytest.mark.parametrize("line", ["# a comment {}", "ToyJitter.recipe = 'sm{}all'"])
def test_control_signs_are_refused_wherever_they_stand(sign: str, line: str, written: Path) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{written}:{LAST}: holds the control sign U\+{ord(sign):04X}"
    ) as error:
        loaded(add(written, line.format(sign)))
    assert sign not in str(error.value)


def test_a_string_may_mean_one(written: Path) -> None:
    config = loaded(written, r"ToyData.root='a\x1b[31m\u202e'")
    assert r"datasets.ToyData.root = 'a\x1b[31m\u202e'" in config.operative


def test_what_an_error_quotes_is_cut(written: Path) -> None:
    for params in (
        f"ToyTask.lr='{'x' * 9000}'",
        f"ToyTask.lr={['word'] * 3000}",
        f"ToyTask.{'y' * 9000} + 1",
    ):
        with pytest.raises(ConfigError) as caught:
            loaded(written, params)
        assert len(str(caught.value)) < 500
