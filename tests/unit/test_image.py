"""What of an image is pure: the archive it comes from, the commands that make it, its name."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ImageError
from harness.stack import distro, image
from harness.stack.bootstrap import Bootstrap, mmdebstrap_argv, write_tar
from harness.stack.distro import (
    Archive,
    Distro,
    Source,
    choose_source,
    find_archive,
    network_options,
    parse_deb822,
    parse_one_line,
    parse_os_release,
)
from harness.stack.image import Recipe, build_image, find_image, kept_images
from harness.storage.staging import sweep_staged
from harness.storage.store import Store

WORDS = st.from_regex(r"[a-z][a-z0-9.-]{0,12}", fullmatch=True)
SOURCES = st.builds(
    Source,
    uri=WORDS.map(lambda host: f"https://{host}.test/debian"),
    suite=WORDS,
    components=st.lists(WORDS, min_size=1, max_size=3).map(tuple),
    signed_by=st.sampled_from(("", "/usr/share/keyrings/some.gpg")),
)


@given(st.lists(SOURCES, max_size=5))
def test_both_ways_of_writing_sources_are_read_alike(sources: list[Source]) -> None:
    one_line = "".join(
        f"deb {f'[arch=amd64 signed-by={s.signed_by}] ' if s.signed_by else ''}"
        f"{s.uri} {s.suite} {' '.join(s.components)} # why\n"
        f"deb-src {s.uri} {s.suite} main\n# deb {s.uri} {s.suite} off\n"
        for s in sources
    )
    deb822 = "\n\n".join(
        f"Types: deb deb-src\nURIs: {s.uri}\n# why\nSuites: {s.suite}\n"
        f"Components: {' '.join(s.components)}\n"
        + (f"Signed-By: {s.signed_by}" if s.signed_by else "X-Other: 1\n two")
        for s in sources
    )
    assert parse_one_line(one_line) == tuple(sources)
    assert parse_deb822(deb822) == tuple(sources)


def test_a_stanza_stands_for_every_pair_of_its_archives_and_suites() -> None:
    found = parse_deb822("Types: deb\nURIs: http://a.test/x\n http://b.test/x\nSuites: s t\n")
    assert [(source.uri[7], source.suite) for source in found] == [
        *(("a", "s"), ("a", "t")),
        *(("b", "s"), ("b", "t")),
    ]


@pytest.mark.parametrize("field", ["Enabled: no", "Enabled: false", "Types: deb-src"])
def test_what_apt_does_not_use_is_passed_over(field: str) -> None:
    types = "" if field.startswith("Types") else "Types: deb\n"
    assert parse_deb822(f"{types}{field}\nURIs: http://a.test\nSuites: s\n") == ()


def test_a_keyring_written_out_in_the_file_is_not_taken_for_a_path() -> None:
    text = (
        "Types: deb\nURIs: http://a.test\nSuites: s\nSigned-By:\n -----BEGIN PGP-----\n .\n abc\n"
    )
    assert parse_deb822(text)[0].signed_by == ""


def test_third_parties_named_like_the_release_are_not_taken_for_the_distribution() -> None:
    third = Source(uri="https://tools.test/repo", suite="bookworm", components=("main",))
    updates = Source(uri="https://own.test/debian", suite="bookworm-updates", components=("main",))
    own = Source(uri="https://own.test/debian/", suite="bookworm", components=("main", "contrib"))
    disc = Source(uri="cdrom:[Debian]/debian", suite="bookworm", components=("main",))
    chosen = choose_source((disc, third, updates, own), Distro(name="debian", codename="bookworm"))
    assert chosen == own
    assert choose_source((third,), Distro(name="debian", codename="bookworm")) == third
    assert choose_source((disc,), Distro(name="debian", codename="bookworm")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=debian\nVERSION_CODENAME="trixie"\n', Distro(name="debian", codename="trixie")),
        (
            "ID=mint\nID_LIKE='ubuntu debian'\nUBUNTU_CODENAME=noble\nVERSION_CODENAME=wilma\n",
            Distro(name="ubuntu", codename="noble"),
        ),
        ("# ID=debian\nID=fedora\n", None),
    ],
)
def test_the_distribution_is_read_from_os_release(text: str, expected: Distro | None) -> None:
    assert parse_os_release(text) == expected


def test_how_apt_reaches_the_network_is_carried_over_and_nothing_else() -> None:
    dump = (
        'Acquire "";\nAcquire::http::Proxy "http://proxy.test:8080";\n'
        'Acquire::https::Verify-Peer "false";\nAcquire::Check-Valid-Until "false";\n'
        'Acquire::http::Proxy::inner.test "DIRECT";\nAcquire::IndexTargets::deb "";\n'
        'APT::Update::Post-Invoke:: "rm -f x || true";\n'
    )
    options = network_options(dump)
    assert options == (
        ("Acquire::http::Proxy", "http://proxy.test:8080"),
        ("Acquire::https::Verify-Peer", "false"),
        ("Acquire::Check-Valid-Until", "false"),
        ("Acquire::http::Proxy::inner.test", "DIRECT"),
    )
    argv = mmdebstrap_argv(
        Bootstrap(
            archive=Archive(
                distro="debian",
                suite="trixie",
                uri="https://own.test/debian",
                signed_by="/k.gpg",
                options=options,
            ),
            packages=("a", "b"),
            install=False,
        )
    )
    assert '--aptopt=Acquire::Check-Valid-Until "false";' in argv
    assert argv[-3:] == (
        "trixie",
        "-",
        "deb [signed-by=/k.gpg] https://own.test/debian trixie main",
    )
    assert "--variant=extract" in argv
    assert "--include=a,b" in argv


@pytest.mark.parametrize(
    ("host", "suite", "mirror", "words"),
    [
        (None, "duke", None, ("duke", "trixie", "--mirror")),
        (None, "trixie", None, ("trixie", "Debian", "--mirror")),
        (Distro(name="debian", codename="bookworm"), "noble", None, ("noble", "Ubuntu", "trixie")),
    ],
)
def test_a_suite_without_an_archive_is_refused_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch,
    host: Distro | None,
    suite: str,
    mirror: None,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr(distro, "host_distro", lambda: host)
    with pytest.raises(ImageError) as caught:
        find_archive(suite, mirror)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("install", [True, False])
def test_dpkg_waits_for_no_disk_where_it_installs(install: bool) -> None:
    archive = Archive(distro="debian", suite="trixie", uri="https://own.test", signed_by="")
    argv = mmdebstrap_argv(Bootstrap(archive=archive, packages=("a",), install=install))
    assert ("--dpkgopt=force-unsafe-io" in argv) is install


def test_a_given_mirror_serves_any_known_suite_on_any_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distro, "host_distro", lambda: None)
    archive = find_archive("noble", "https://own.test/ubuntu")
    assert archive.entry.endswith("https://own.test/ubuntu noble main universe")


def test_a_list_of_mirrors_gives_its_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = tmp_path / "mirrors.list"
    listed.write_text("# near\nhttps://near.test/debian priority:1\nhttps://far.test/debian\n")
    source = Source(uri=f"mirror+file:{listed}", suite="bookworm", components=("main",))
    monkeypatch.setattr(distro, "host_sources", lambda: (source,))
    monkeypatch.setattr(distro, "host_distro", lambda: Distro(name="debian", codename="bookworm"))
    assert find_archive("trixie").uri == "https://near.test/debian"


def test_without_a_tool_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.stack.bootstrap.shutil.which", lambda *_args, **_named: None)
    archive = Archive(distro="debian", suite="trixie", uri="https://own.test", signed_by="")
    with pytest.raises(ImageError, match="apt-get install mmdebstrap"):
        write_tar(Bootstrap(archive=archive, packages=()), tmp_path / "x.tar")


def test_a_tool_that_fails_is_quoted_with_its_last_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "mmdebstrap"
    tool.write_text(
        "#!/bin/sh\necho 'I: one' >&2\necho 'E: no space left on device' >&2\nexit 25\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    heard: list[str] = []
    archive = Archive(distro="debian", suite="trixie", uri="https://own.test", signed_by="")
    with pytest.raises(ImageError) as caught:
        write_tar(
            Bootstrap(archive=archive, packages=("a",)), tmp_path / "x.tar", on_line=heard.append
        )
    assert "status 25" in caught.value.message
    assert "no space left" in caught.value.message
    assert "TMPDIR" in caught.value.hint
    assert heard[0] == "one"


def test_a_recipe_is_its_packages_and_suite_in_any_order() -> None:
    assert (
        Recipe(suite="s", packages=("a", "b")).digest
        == Recipe(suite="s", packages=("b", "a")).digest
    )
    digests = {
        Recipe(suite="s", packages=("a", "b")).digest,
        Recipe(suite="s", packages=("ab",)).digest,
        Recipe(suite="t", packages=("a", "b")).digest,
    }
    assert len(digests) == 3


def keep(store: Store, digest: str, recipe: Recipe, built: str) -> None:
    folder = store.images / digest
    (folder / "rootfs").mkdir(parents=True)
    (folder / "image.tar").write_bytes(b"")
    facts = {"digest": digest, "suite": recipe.suite, "recipe": recipe.digest, "built": built}
    (folder / "image.json").write_text(json.dumps(facts))


def test_the_newest_image_of_a_recipe_is_found_and_broken_ones_are_not(tmp_path: Path) -> None:
    store, recipe = Store(root=tmp_path), Recipe(suite="s")
    keep(store, "a" * 64, recipe, "2024-01-01T00:00:00+00:00")
    keep(store, "b" * 64, recipe, "2024-01-02T00:00:00+00:00")
    keep(store, "c" * 64, Recipe(suite="t"), "2024-01-03T00:00:00+00:00")
    keep(store, "d" * 64, recipe, "2024-01-04T00:00:00+00:00")
    (store.images / ("d" * 64) / "image.tar").unlink()
    keep(store, "e" * 64, recipe, "2024-01-05T00:00:00+00:00")
    (store.images / ("e" * 64) / "image.json").write_text("{")
    assert [kept.digest[0] for kept in kept_images(store)] == ["c", "b", "a"]
    found = find_image(store, recipe)
    assert found is not None
    assert found.tag == "cache-harness/stack:" + "b" * 12
    assert build_image(store, suite="s") == found


def test_an_image_is_built_into_the_store_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []

    def write(bootstrap: Bootstrap, tar: Path, *, on_line: object) -> str:
        import tarfile

        made.append(bootstrap.archive.suite)
        # It takes long, so that another run may sweep meanwhile.
        os.utime(tar.parent, (0, 0))
        sweep_staged(store.images)
        with tarfile.open(tar, "w") as archive:
            archive.add(__file__, "./etc/file")
            archive.add(__file__, "./dev/file")
        return "f" * 64

    store = Store(root=tmp_path)
    monkeypatch.setattr(image, "write_tar", write)
    first = build_image(store, suite="trixie", mirror="https://own.test")
    assert (first.rootfs / "etc/file").is_file()
    assert not (first.rootfs / "dev/file").exists()
    assert build_image(store, suite="trixie", mirror="https://other.test") == first
    assert made == ["trixie"]
    assert build_image(store, suite="trixie", mirror="https://own.test", fresh=True) == first
    assert made == ["trixie", "trixie"]
    assert not list(store.images.glob(".staged-*"))
