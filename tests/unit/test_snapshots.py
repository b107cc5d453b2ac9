"""What varies in an output is replaced, and nothing else is."""

from pathlib import Path

from snapshots import DIGEST, SECONDS, SHA, VERSION, filtered, folder

from harness import __version__

SHA256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b"


def test_each_filter_puts_its_name() -> None:
    assert filtered(f"version {__version__}", VERSION) == "version [version]"
    assert filtered("cached 12.3 s, 0.4 s", SECONDS) == "cached [seconds] s, [seconds] s"
    assert filtered("commit 1 0123abc “m”", SHA) == "commit 1 [sha] “m”"
    assert filtered(f"{SHA256[:9]} to {SHA256[:40]}", SHA) == "[sha] to [sha]"
    assert filtered(f"sha256:{SHA256}", DIGEST) == "sha256:[digest]"


def test_what_only_looks_alike_stays() -> None:
    assert filtered(f"1{__version__}", VERSION) == f"1{__version__}"
    assert filtered("3.11 seconds", SECONDS) == "3.11 seconds"
    assert filtered(f"accede 123 {SHA256}", SHA) == f"accede 123 {SHA256}"
    assert filtered(SHA256[:40], DIGEST) == SHA256[:40]


def test_a_folder_is_named_where_it_ends() -> None:
    here = folder(Path("/tmp/a.b"), "here")
    assert filtered("/tmp/a.b: `/tmp/a.b/c` and /tmp/a.b", here) == "[here]: `[here]/c` and [here]"
    assert filtered("/tmp/a.bc /tmp/acb", here) == "/tmp/a.bc /tmp/acb"


def test_filters_are_applied_in_turn() -> None:
    text = filtered(f"/tmp/a: 1.0 s, {__version__}", folder(Path("/tmp/a"), "a"), SECONDS, VERSION)
    assert text == "[a]: [seconds] s, [version]"
