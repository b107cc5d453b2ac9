import json
from hashlib import sha256
from typing import Any

import pytest
from comparing import plainly
from hypothesis import given
from hypothesis import strategies as st

from harness.ecosystems.python.distributions import (
    LARGEST,
    Distribution,
    FindingKind,
    Source,
    compare_distributions,
    owners,
    read_distributions,
)
from harness.trees.manifest import Entry, EntryKind, Manifest
from harness.verdicts.owners import with_owners

LIB = ".heroku/python/lib/python3.11"
SITE = f"{LIB}/site-packages"
INFO = f"{SITE}/forms-1.0.dist-info"
ROOTS = (SITE, ".heroku/python/bin", ".heroku/src")
OLD, NEW = "0bc5805" + "0" * 33, "9e01f2c" + "1" * 33
ARCHIVE = "https://github.com/acme/forms/archive"

Files = dict[str, str]


def manifest(files: Files, roots: tuple[str, ...] = ROOTS) -> Manifest:
    entries: dict[str, Entry] = {}
    for path, text in files.items():
        data = text.encode("utf-8", "surrogateescape")
        entries[path] = Entry(
            kind=EntryKind.FILE, mode=0o644, size=len(data), digest=sha256(data).hexdigest()
        )
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            entries[folder] = Entry(kind=EntryKind.DIRECTORY, mode=0o755)
    return Manifest(roots=roots, entries=entries)


def read(files: Files) -> tuple[Distribution, ...]:
    return read_distributions(
        manifest(files), lambda path: files[path].encode("utf-8", "surrogateescape")
    )


def one(files: Files) -> Distribution:
    (found,) = read(files)
    return found


def direct_url(url: str, **more: object) -> str:
    return json.dumps({"url": url, **more})


FORMS: Files = {
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: Forms\nVersion: 1.0\n\nName: not this\n",
    f"{INFO}/RECORD": (
        "forms/__init__.py,sha256=x,1\n"
        '"forms/a,b.html",sha256=x,1\n'
        "../../../bin/forms,sha256=x,1\n"
        "/app/.heroku/python/bin/absolute,,\n"
        "../../../../../../outside,,\n"
        "forms-1.0.dist-info/RECORD,,\n"
    ),
    f"{INFO}/INSTALLER": "pip\n",
    f"{INFO}/REQUESTED": "",
    f"{INFO}/direct_url.json": direct_url(
        "https://someone:secret@github.com/acme/forms.git",
        vcs_info={"vcs": "git", "commit_id": OLD, "requested_revision": "main"},
    ),
    f"{SITE}/forms/__init__.py": "",
    f"{SITE}/forms/a,b.html": "",
    ".heroku/python/bin/forms": "",
    ".heroku/python/bin/absolute": "",
}


def test_a_dist_info_is_read() -> None:
    assert one(FORMS) == Distribution(
        name="Forms",
        version="1.0",
        location=SITE,
        metadata=INFO,
        files=(
            ".heroku/python/bin/absolute",
            ".heroku/python/bin/forms",
            f"{INFO}/RECORD",
            f"{SITE}/forms/__init__.py",
            f"{SITE}/forms/a,b.html",
        ),
        folders=(INFO,),
        installer="pip",
        source=Source(url="https://github.com/acme/forms.git", commit=OLD, revision="main"),
        requested=True,
    )


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        (f"{SITE}/forms/a,b.html", True),
        (f"{SITE}/forms/__pycache__/__init__.cpython-311.pyc", True),
        (f"{SITE}/forms/__pycache__/__init__.cpython-311.opt-2.pyc", True),
        (f"{SITE}/forms/templates/old.html", True),
        (f"{SITE}/forms", True),
        (f"{INFO}/licenses/LICENSE", True),
        (".heroku/python/bin/forms", True),
        (".heroku/python/bin/pip", False),
        (".heroku/python/bin", False),
        (f"{SITE}/formsets/x.py", False),
        (f"{SITE}/__pycache__/forms.cpython-311.pyc", False),
        (SITE, False),
        ("", False),
    ],
)
def test_a_path_belongs_to_who_recorded_it_or_all_around_it(path: str, owned: bool) -> None:
    forms = one(FORMS)
    assert owners([forms]).of(path) == (forms if owned else None)


def test_a_directory_that_two_share_belongs_to_neither() -> None:
    other = f"{SITE}/other-2.dist-info"
    files = {
        **FORMS,
        f"{INFO}/RECORD": "space/forms/x.py,,\nspace/forms.py,,\n",
        f"{other}/RECORD": "space/other/x.py,,\n",
    }
    who = owners(read(files))
    assert (forms := who.of(f"{SITE}/space/forms/data"))
    assert forms.label == "Forms 1.0"
    assert (found := who.of(f"{SITE}/space/other/data"))
    assert found.label == "other 2"
    assert who.of(f"{SITE}/space/data") is None
    assert who.of(f"{SITE}/space/__pycache__/forms.cpython-311.pyc") == forms


def test_an_orphan_compiled_module_is_not_given_to_its_neighbour() -> None:
    record = "six.py,,\n__pycache__/six.cpython-311.pyc,,\n"
    six = one({f"{SITE}/six-1.dist-info/RECORD": record})
    assert owners([six]).of(f"{SITE}/__pycache__/six.cpython-311.opt-1.pyc") == six
    assert owners([six]).of(f"{SITE}/__pycache__/gone.cpython-311.pyc") is None


def test_a_record_is_read_as_far_as_it_can_be() -> None:
    """The csv module refuses fields of more than 128 KiB."""
    found = one({f"{INFO}/RECORD": f"a.py,,\n{'b' * 200_000},,\nc.py,,\n"})
    assert found.files == (f"{SITE}/a.py",)


def test_an_egg_info_directory_is_read() -> None:
    egg = f"{SITE}/forms-1.0-py3.11.egg-info"
    found = one(
        {
            f"{egg}/PKG-INFO": "Name: forms\nVersion: 1.0\n",
            f"{egg}/installed-files.txt": "../forms/__init__.py\n../../../../bin/forms\nPKG-INFO\n",
            f"{egg}/top_level.txt": "forms\nhelper\n../evil\n",
            f"{SITE}/forms/__init__.py": "",
            f"{SITE}/helper.py": "",
        }
    )
    assert found.label == "forms 1.0"
    assert found.files == (
        ".heroku/python/bin/forms",
        f"{egg}/PKG-INFO",
        f"{SITE}/forms/__init__.py",
    )
    assert found.folders == (f"{SITE}/forms", egg, f"{SITE}/helper.py")
    assert owners([found]).of(f"{SITE}/__pycache__/helper.cpython-311.pyc") == found


def test_a_tree_may_be_an_installation_itself() -> None:
    files = {"forms-1.dist-info/RECORD": "forms/x.py,,\n", "forms/x.py": "", "forms/y.py": ""}
    (found,) = read_distributions(manifest(files, (".",)), lambda path: files[path].encode())
    assert found.files == ("forms/x.py",)
    assert owners([found]).of("forms/y.py") == found
    assert owners([found]).of("other.py") is None


def test_an_egg_info_file_is_read() -> None:
    egg = f"{SITE}/old_forms-0.9-py3.9.egg-info"
    assert one({egg: "Metadata-Version: 1.0\nName: old-forms\nVersion: 0.9\n"}).label == (
        "old-forms 0.9"
    )
    assert one({egg: ""}).label == "old_forms 0.9"


def test_an_egg_link_leads_to_its_checkout() -> None:
    found = one(
        {
            f"{SITE}/my-forms.egg-link": "/app/.heroku/src/my-forms/lib\n../",
            ".heroku/src/my-forms/lib/my_forms.egg-info/PKG-INFO": "Name: my-forms\nVersion: 3\n",
            ".heroku/src/my-forms/.git/HEAD": f"{OLD}\n",
            ".heroku/src/my-forms/lib/x.py": "",
        }
    )
    assert found.label == "my-forms 3"
    assert found.source == Source(editable=True, commit=OLD, folder=".heroku/src/my-forms")
    assert owners([found]).of(".heroku/src/my-forms/templates/x.html") == found
    assert one({f"{SITE}/my-forms.egg-link": "/elsewhere\n."}).label == "my-forms"
    assert read({f"{SITE}/my-forms.egg-link": ""}) == ()


@pytest.mark.timeout(30)
def test_an_endless_path_in_an_egg_link_takes_no_time() -> None:
    for path in ("/a" * (LARGEST // 2 - 9), "/a" * 2_000):
        assert one({f"{SITE}/my-forms.egg-link": f"{path}\n."}).label == "my-forms"


@pytest.mark.parametrize("url", ["file:///app/.heroku/src/forms", "file:///gone", "file://[", "x"])
def test_an_editable_leads_to_its_checkout(url: str) -> None:
    found = one(
        {
            f"{INFO}/METADATA": "Name: forms\nVersion: 1.0\n",
            f"{INFO}/direct_url.json": direct_url(url, dir_info={"editable": True}),
            ".heroku/src/forms/forms.py": "",
            ".heroku/src/forms/forms.egg-info/PKG-INFO": "Name: forms\n",
            ".heroku/src/forms/.git/HEAD": "ref: refs/heads/main\n",
            ".heroku/src/forms/.git/refs/heads/main": f"{NEW}\n",
        }
    )
    assert found.source
    assert (found.source.commit, found.source.folder) == (NEW, ".heroku/src/forms")
    assert owners([found]).of(".heroku/src/forms/forms.py") == found


def test_a_checkout_of_a_packed_branch_is_at_its_commit() -> None:
    found = one(
        {
            f"{INFO}/METADATA": "Name: forms\nVersion: 1.0\n",
            f"{INFO}/direct_url.json": direct_url("file:///gone", dir_info={"editable": True}),
            ".heroku/src/forms/forms.py": "",
            ".heroku/src/forms/.git/HEAD": "ref: refs/heads/main\n",
            ".heroku/src/forms/.git/packed-refs": f"# peeled\n{NEW} refs/heads/main\n",
        }
    )
    assert found.source
    assert found.source.commit == NEW


def test_metadata_inside_a_package_is_not_a_distribution() -> None:
    assert read({f"{SITE}/setuptools/_vendor/wheel-1.dist-info/METADATA": "Name: wheel\n"}) == ()


def test_metadata_too_large_is_not_read() -> None:
    tree = Manifest(
        roots=ROOTS,
        entries={
            INFO: Entry(kind=EntryKind.DIRECTORY),
            f"{INFO}/METADATA": Entry(kind=EntryKind.FILE, size=LARGEST + 1),
            f"{INFO}/RECORD": Entry(kind=EntryKind.FIFO),
        },
    )
    (found,) = read_distributions(tree, lambda path: pytest.fail(f"{path} was read"))
    assert found.label == "forms 1.0"


def test_what_metadata_says_is_fit_to_be_printed() -> None:
    files = {f"{INFO}/METADATA": f"Name: forms\x1b[2J\nVersion: {'1' * 999}\n"}
    found = one(files)
    assert found.name == "forms\\x1b[2J"
    assert len(found.version) == 200


JUNK = st.one_of(
    st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape")),
    st.text(alphabet='a/.,"\n\r\0\\-:{}[]', max_size=40),
    st.recursive(
        st.none() | st.integers() | st.text(alphabet="ax/\0é", max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "url",
                        "vcs_info",
                        "commit_id",
                        "archive_info",
                        "hashes",
                        "dir_info",
                        "editable",
                    ]
                ),
                inner | st.just(value=True) | st.just("file:///x"),
            )
        ),
    ).map(json.dumps),
)


@given(
    data=st.dictionaries(
        st.sampled_from(
            [
                *(
                    f"{INFO}/{name}"
                    for name in ("METADATA", "RECORD", "direct_url.json", "top_level.txt")
                ),
                f"{SITE}/a-1.egg-info/PKG-INFO",
                f"{SITE}/a-1.egg-info/installed-files.txt",
                f"{SITE}/b.egg-link",
                f"{SITE}/c.egg-info",
                f"{SITE}/-.dist-info/METADATA",
                f"{SITE}/.dist-info/RECORD",
            ]
        ),
        JUNK,
        max_size=6,
    )
)
def test_malformed_metadata_is_never_an_error(data: Files) -> None:
    found = read(data)
    who = owners(found)
    for path in data:
        who.of(path)
    for distribution in found:
        assert distribution.label.isprintable()
        assert not any(
            path.startswith(("/", "..")) for path in (*distribution.files, *distribution.folders)
        )
    assert compare_distributions(found, found) == ()
    for finding in compare_distributions(found, ()):
        assert str(finding).isprintable()


def forms(version: str = "1.0", source: Source | None = None, **more: Any) -> Distribution:
    place = {"location": SITE, "metadata": f"{SITE}/forms-{version}.dist-info", **more}
    return Distribution(name="Forms", version=version, source=source, **place)


def at(commit: str, **more: Any) -> Source:
    return Source(url="https://github.com/acme/forms.git", commit=commit, **more)


EDITABLE = Source(url="file:///app/x", editable=True, commit=OLD, folder=".heroku/src/forms")


@pytest.mark.parametrize(
    ("cached", "clean", "kind", "text"),
    [
        (
            forms(),
            None,
            FindingKind.LEFTOVER,
            "`Forms 1.0` is installed and nothing asks for it",
        ),
        (
            None,
            forms(),
            FindingKind.MISSING,
            "`Forms 1.0` is not installed; a clean build installs it",
        ),
        (
            forms(),
            forms("1.1"),
            FindingKind.VERSION,
            "`Forms 1.0` is installed; a clean build installs 1.1",
        ),
        (
            forms(source=at(OLD)),
            forms("1.1", at(NEW)),
            FindingKind.VERSION,
            "`Forms 1.0` is installed at 0bc5805; a clean build installs 1.1 at 9e01f2c",
        ),
        (
            forms(source=at(OLD)),
            forms(source=at(NEW)),
            FindingKind.SOURCE,
            "`Forms 1.0` is installed at 0bc5805; a clean build installs it at 9e01f2c",
        ),
        (
            forms(source=EDITABLE),
            forms(source=Source(url=f"{ARCHIVE}/{NEW}.tar.gz")),
            FindingKind.SOURCE,
            (
                "`Forms 1.0` is installed as an editable at 0bc5805;"
                " a clean build installs it at 9e01f2c"
            ),
        ),
        (
            forms(source=at(OLD)),
            forms(),
            FindingKind.SOURCE,
            "`Forms 1.0` is installed at 0bc5805; a clean build installs it from an index",
        ),
        (
            forms(source=Source(url=f"{ARCHIVE}/main.tar.gz", archive_hash="sha256=" + "a" * 64)),
            forms(source=Source(url=f"{ARCHIVE}/main.tar.gz", archive_hash="sha256=" + "b" * 64)),
            FindingKind.SOURCE,
            (
                f"`Forms 1.0` is installed from {ARCHIVE}/main.tar.gz (sha256 aaaaaaaa);"
                f" a clean build installs it from {ARCHIVE}/main.tar.gz (sha256 bbbbbbbb)"
            ),
        ),
        (
            forms(metadata=f"{SITE}/forms-1.0.egg-info"),
            forms(metadata=f"{LIB}/dist-packages/forms-1.0.dist-info"),
            FindingKind.LOCATION,
            (
                f"`Forms 1.0` is installed in {SITE}/forms-1.0.egg-info;"
                f" a clean build installs it in {LIB}/dist-packages/forms-1.0.dist-info"
            ),
        ),
    ],
)
def test_a_difference_is_told_in_a_sentence(
    cached: Distribution | None, clean: Distribution | None, kind: FindingKind, text: str
) -> None:
    (found,) = compare_distributions([cached] if cached else [], [clean] if clean else [])
    assert (found.kind, found.name, str(found)) == (kind, "forms", text)
    assert (found.cached, found.clean) == (cached, clean)


def test_a_distribution_installed_twice_is_told() -> None:
    (found,) = compare_distributions([forms("1.0"), forms("1.1")], [forms("1.1")])
    assert str(found) == "`Forms 1.0` is installed as well; a clean build installs only 1.1"


def test_an_editable_at_another_build_path_is_no_difference() -> None:
    moved = Source(url="file:///tmp/y", editable=True, commit=OLD, folder=".heroku/src/forms")
    assert compare_distributions([forms(source=EDITABLE)], [forms(source=moved)]) == ()


def test_a_divergence_is_given_its_owner_by_the_tree_that_has_it() -> None:
    newer = {
        path.replace("-1.0", "-1.1"): text.replace("-1.0", "-1.1").replace("n: 1.0", "n: 1.1")
        for path, text in FORMS.items()
    }
    cached = {**FORMS, f"{SITE}/forms/__init__.py": "old", f"{SITE}/forms/left.html": ""}
    divergences = with_owners(
        plainly(manifest(cached), manifest(newer)).divergences,
        owners(read(cached)).owner,
        owners(read(newer)).owner,
    )
    labels = {divergence.path: divergence.distribution for divergence in divergences}
    assert labels[f"{SITE}/forms/left.html"] == "Forms 1.0"
    assert labels[f"{SITE}/forms/__init__.py"] == "Forms 1.0"
    assert labels[f"{INFO}/METADATA"] == "Forms 1.0"
    assert labels[f"{INFO}/METADATA".replace("1.0", "1.1")] == "Forms 1.1"
    extra = {**FORMS, ".heroku/python/bin/pip": ""}
    (unowned,) = with_owners(
        plainly(manifest(extra), manifest(FORMS)).divergences,
        owners(read(extra)).owner,
        owners(read(FORMS)).owner,
    )
    assert unowned.distribution is None
