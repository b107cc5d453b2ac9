"""A tape is one file: whole or not there, the same for the same content, checked on reading."""

import hashlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies._internal.core import DataObject
from hypothesis.strategies._internal.random import ArtificialRandom
from rich.console import Console, RenderableType

from harness.errors import TapeError
from harness.internet.exchange import Answer, Asked, Question
from harness.internet.tape import BODIES, INDEX, Tape, read_index, write_tape
from harness.internet.tape_index import TapeIndex, ToolFile, from_json, to_json
from harness.reports import tape as tape_report

TEXT = st.text(max_size=20)
SHA256 = st.binary(max_size=3).map(lambda data: hashlib.sha256(data).hexdigest())
ASKED = st.builds(
    Asked,
    url=st.tuples(st.sampled_from(["http://a", "https://b.example.com:8"]), TEXT).map("/".join),
    method=st.sampled_from(["GET", "POST"]),
    accept=TEXT,
    git_protocol=TEXT,
    body=st.just("") | SHA256,
    credentials=st.booleans(),
)
ANSWERS = st.builds(
    Answer,
    status=st.integers(100, 599),
    headers=st.dictionaries(TEXT, TEXT).map(lambda each: tuple(sorted(each.items()))),
    sha256=SHA256,
    size=st.integers(0, 1 << 70),
)
WHEELS = st.builds(
    ToolFile,
    set=st.sampled_from(["pip-25.0.1", "poetry-2.1-for-3.11-3.13"]),
    name=st.sampled_from(["a-1-py3-none-any.whl", "b_c-2.0+local.1-cp311-cp311-x.whl"]),
    sha256=SHA256,
    size=st.integers(0, 1 << 70),
)
INDEXES = st.builds(
    TapeIndex,
    answers=st.dictionaries(ASKED, ANSWERS, max_size=5),
    tools=st.lists(WHEELS, unique=True, max_size=3).map(lambda each: tuple(sorted(each))),
)


@given(INDEXES)
def test_an_index_is_read_as_it_was_written(index: TapeIndex) -> None:
    text = to_json(index)
    assert text.isascii()
    assert from_json(text.encode()) == index
    assert to_json(from_json(text.encode())) == text


@given(INDEXES, st.randoms())
def test_an_index_is_written_in_one_way(index: TapeIndex, random: ArtificialRandom) -> None:
    answers = list(index.answers.items())
    wheels = list(index.tools)
    random.shuffle(answers)
    random.shuffle(wheels)
    shuffled = TapeIndex(answers=dict(answers), tools=tuple(wheels))
    assert to_json(shuffled) == to_json(index)
    assert shuffled.digest == index.digest


@given(st.dictionaries(ASKED, ANSWERS, min_size=1, max_size=4), st.data())
def test_the_digest_is_of_all_that_is_answered(
    answers: dict[Asked, Answer], data: DataObject
) -> None:
    whole = TapeIndex(answers=answers)
    one = data.draw(st.sampled_from(sorted(answers)))
    other = data.draw(ANSWERS.filter(lambda each: each != answers[one]))
    without = {asked: answer for asked, answer in answers.items() if asked != one}
    changed = TapeIndex(answers={**answers, one: other})
    assert len({whole.digest, TapeIndex(answers=without).digest, changed.digest}) == 3
    assert TapeIndex(answers=answers, tools=(data.draw(WHEELS),)).digest == whole.digest


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


CONTENTS = {sha(content): content for content in (b"", b"one", b"two" * 1000, b"a wheel")}
INDEX_OF_THREE = TapeIndex(
    answers={
        Asked(url=f"https://a.example.com/{name}", method="GET"): Answer(
            status=200, headers=(("etag", '"e"'),), sha256=name, size=len(content)
        )
        for name, content in CONTENTS.items()
        if content != b"a wheel"
    },
    tools=(ToolFile(set="x-1", name="x-1-py3-none-any.whl", sha256=sha(b"a wheel"), size=7),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "t.tape"
    path.parent.mkdir()
    written(path, tmp_path / "bodies")
    return path


def written(path: Path, bodies: Path) -> None:
    bodies.mkdir(exist_ok=True)
    for name, content in CONTENTS.items():
        (bodies / name).write_bytes(content)
    write_tape(path, INDEX_OF_THREE, bodies.joinpath)


@contextmanager
def opened(path: Path) -> Iterator[Tape]:
    number = len(list(path.parent.parent.glob("unpacked*")))
    with Tape.open(path, path.parent.parent / f"unpacked{number}") as tape:
        yield tape


def open_and_close(path: Path) -> None:
    with opened(path):
        pass


def test_all_that_was_written_is_read(path: Path) -> None:
    with opened(path) as tape:
        assert tape.index == INDEX_OF_THREE
        for asked, answer in INDEX_OF_THREE.answers.items():
            question = Question(asked=asked, url=asked.url, headers=())
            assert tape.answer(question) == answer
            assert tape.body(answer.sha256).read_bytes() == CONTENTS[answer.sha256]
        folder = tape.tools("x-1")
        assert folder is not None
        assert folder == tape.tools("x-1")
        assert [file.read_bytes() for file in folder.iterdir()] == [b"a wheel"]
        assert tape.tools("x-2") is None
        assert tape.tools("../x-1") is None
    assert read_index(path) == INDEX_OF_THREE


def test_the_same_is_written_with_the_same_bytes_at_any_time(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    os.umask(os.umask(0o077))
    (tmp_path / "bodies" / sha(b"one")).touch()
    other = tmp_path / "other.tape"
    written(other, tmp_path / "others")
    assert other.read_bytes() == path.read_bytes()


def test_people_can_read_it_with_what_they_have(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[0] == INDEX
        assert archive.namelist()[1:] == sorted(f"{BODIES}{name}" for name in CONTENTS)
        assert {stat.S_IMODE(one.external_attr >> 16) for one in archive.infolist()} == {0o644}
        index = json.loads(archive.read(INDEX))
    assert index["format"] == 1
    assert [each["url"] for each in index["answers"]] == sorted(
        each["url"] for each in index["answers"]
    )
    assert index["answers"][0].keys() == {"method", "url", "status", "headers", "sha256", "size"}


def remade(path: Path, change: Callable[..., Any]) -> None:
    """Writes the archive anew with other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def other_index(**changes: Any) -> Callable[..., Any]:
    def change(members: dict[str, bytes]) -> None:
        index = json.loads(members[INDEX])
        index["answers"][0].update(changes)
        members[INDEX] = json.dumps(index).encode()

    return change


def other_document(
    **changes: Any,
) -> Callable[..., Any]:
    def change(members: dict[str, bytes]) -> None:
        members[INDEX] = json.dumps({**json.loads(members[INDEX]), **changes}).encode()

    return change


def twice(members: dict[str, bytes]) -> None:
    index = json.loads(members[INDEX])
    index["answers"].append(index["answers"][0])
    members[INDEX] = json.dumps(index).encode()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.pop(INDEX), "index.json"),
        (lambda m: m.update({INDEX: b"{"}), "Expecting"),
        (lambda m: m.update({INDEX: b"[]"}), "has format None"),
        (lambda m: m.update({INDEX: b"\xff"}), "decode"),
        (other_document(format=2), "has format 2, and this version reads 1"),
        (other_document(surprise=1), "surprise"),
        (other_document(answers={}), "answers"),
        (other_document(tools=[{"set": "a", "name": "../a.whl", "sha256": "0" * 64, "size": 1}]),
         "tools.0.name"),
        (other_document(tools=[{"set": "..", "name": "a.whl", "sha256": "0" * 64, "size": 1}]),
         "tools.0.set"),
        (other_index(sha256="../../etc/passwd"), "answers.0.sha256"),
        (other_index(sha256="0" * 64), "bodies/000"),
        (other_index(size=5), "is missing or incomplete"),
        (other_index(size="5"), "answers.0.size"),
        (other_index(status=1000), "answers.0.status"),
        (other_index(method="PUT"), "answers.0.method"),
        (other_index(url="file:///etc/passwd"), "answers.0.url"),
        (other_index(headers={"a": 1}), "answers.0.headers"),
        (twice, "two ways"),
        (lambda m: m.pop(f"{BODIES}{sha(b'one')}"), sha(b"one")),
        (lambda m: m.update({f"{BODIES}{sha(b'one')}": b"longer"}), sha(b"one")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_tape_is_told_on_opening(
    path: Path, change: Callable[..., Any], told: str
) -> None:
    remade(path, change)
    for read in (lambda: open_and_close(path), lambda: read_index(path)):
        with pytest.raises(TapeError) as raised:
            read()
        assert told in raised.value.message
        assert str(path) in raised.value.message
        assert "--anew" in raised.value.hint


def test_another_content_of_the_same_size_is_told_on_reading(path: Path) -> None:
    remade(path, lambda m: m.update({f"{BODIES}{sha(b'one')}": b"two"}))
    with opened(path) as tape:
        assert tape.body(sha(b"")).read_bytes() == b""
        for _ in range(2):
            with pytest.raises(TapeError, match="other content"):
                tape.body(sha(b"one"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_tape_that_is_cut_off_is_told(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(TapeError, match="not a complete tape"):
        open_and_close(path)


def test_a_byte_that_changed_is_told_or_changes_nothing(path: Path) -> None:
    whole = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        first = archive.getinfo(f"{BODIES}{sha(b'two' * 1000)}").header_offset
    for place in (10, 200, first + 500, len(whole) - 30):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with suppress(TapeError), opened(path) as tape:
            assert tape.index == INDEX_OF_THREE
            for name, content in CONTENTS.items():
                assert tape.body(name).read_bytes() == content


def test_a_tape_that_is_not_there_is_told_with_how_to_make_one(path: Path) -> None:
    path.unlink()
    with pytest.raises(TapeError, match="no tape is at") as raised:
        open_and_close(path)
    assert f"record … --tape {path}" in raised.value.hint


def test_what_cannot_be_written_leaves_the_file_as_it_was(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()

    def body(sha256: str) -> Path:
        if sha256 == max(CONTENTS):
            raise KeyboardInterrupt
        return tmp_path / "bodies" / sha256

    with pytest.raises(KeyboardInterrupt):
        write_tape(path, INDEX_OF_THREE, body)
    with pytest.raises(TapeError, match="cannot be written"):
        write_tape(path, INDEX_OF_THREE, (tmp_path / "nowhere").joinpath)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_it_holds_is_listed_for_people(path: Path) -> None:
    asked = Asked(url="https://b.example.com:8/x", method="POST", body="1" * 64, credentials=True,
                  git_protocol="version=2")  # fmt: skip
    leading = Answer(status=302, headers=(("location", "/y"),), sha256="2" * 64, size=3)
    index = replace(INDEX_OF_THREE, answers={**INDEX_OF_THREE.answers, asked: leading})
    text = shown(tape_report.listing(index))
    for part in (
        "https://b.example.com:8/x  (git protocol version=2; posted 111111111111; with",
        "with credentials; leads to /y)",
        "POST  302            3  222222222222",
        "3,000",
        sha(b"two" * 1000)[:12],
        "x-1-py3-none-any.whl",
    ):
        assert part in text
    said = shown(tape_report.recorded("t.tape", index, added=1))
    assert "recorded on t.tape: 4 answers of 2 hosts, 1 of them new, and 1 file of build" in said
    assert "b.example.com:8" in said
    assert "0 answers of 0 hosts" in shown(tape_report.recorded("t", TapeIndex(), added=0))
    assert shown(tape_report.listing(TapeIndex())) == "nothing\n"


def shown(renderable: RenderableType) -> str:
    printed = io.StringIO()
    Console(width=200, file=printed, soft_wrap=True).print(renderable)
    return printed.getvalue()


def test_a_tape_that_is_replaced_while_it_is_read_is_read_on(path: Path, tmp_path: Path) -> None:
    with opened(path) as tape:
        assert tape.is_current()
        write_tape(path, TapeIndex(), tmp_path.joinpath)
        assert not tape.is_current()
        assert tape.body(sha(b"one")).read_bytes() == b"one"
