"""Platforms that run classic buildpacks: their stacks, folders and hosts, as data."""

from dataclasses import dataclass
from typing import Final

from harness.ecosystems.route import Route
from harness.trees.named import AfterFailure

_UV = "uv/releases/download/{version}/uv-{machine}-unknown-linux-gnu.tar.gz"

PUBLIC: Final = (
    Route(host="releases.astral.sh", path=f"/github/{_UV}", serves="programs of uv"),
    Route(host="github.com", path=f"/astral-sh/{_UV}", serves="programs of uv"),
)
"""Downloads from hosts that belong to no platform."""

BUNDLED: Final = (
    Route(
        host="runtimes.cache-harness.invalid",
        path="/python-{version}.tar.zst",
        serves="runtime.tar.zst",
    ),
    Route(
        host="runtimes.cache-harness.invalid",
        path="/pip-for-{version}.tar.zst",
        serves="pip.tar.zst",
    ),
    Route(host="runtimes.cache-harness.invalid", path="/default-python", serves="default python"),
)
"""Downloads of the buildpacks that ship with the harness, which run on any platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Where and how classic buildpacks are run.

    Attributes:
        name: What it is called.
        stack: The stack on which an app is built unless it says otherwise.
        routes: What its buildpacks download, apart from git and the package index.
        prefix: The folder in the app, relative to the build dir, where a language is installed.
        mark: Text that `bin/compile` of its buildpacks holds and that of others does not; empty
            where any classic buildpack may be meant for it.
        home: Where the app runs, and HOME during a build.
        build: The build dir; `{build}` stands for a name that may change from build to build.
        cache: The cache dir.
        cache_apart: The same, where it is to be on another mount than the build dir.
        test_vars: Config vars that every run of its CI has, where it has one; `{commit}` and
            `{run}` stand for the ids of the commit and of the run.
        after_failure: What the build after one that failed gets of the cache.
        env: The folder of the config vars.
        buildpack: The folder of the buildpack under test.
        others: The folder of the other buildpacks' folders.
    """

    name: str
    stack: str
    routes: tuple[Route, ...]
    prefix: str
    mark: str = ""
    home: str = "/app"
    build: str = "/tmp/build_{build}"  # noqa: S108 - paths inside the sandbox
    cache: str = "/tmp/cache"  # noqa: S108
    cache_apart: str = "/cache/app"
    test_vars: tuple[tuple[str, str], ...] = ()
    after_failure: AfterFailure = AfterFailure.AS_BEFORE
    env: str = "/tmp/env"  # noqa: S108
    buildpack: str = "/tmp/buildpack"  # noqa: S108
    others: str = "/tmp/buildpacks"  # noqa: S108


HEROKU: Final = Platform(
    name="heroku",
    stack="heroku-24",
    prefix=".heroku/python",
    # https://devcenter.heroku.com/articles/heroku-ci
    test_vars=(
        ("CI", "true"),
        ("CI_NODE_INDEX", "0"),
        ("CI_NODE_TOTAL", "1"),
        ("HEROKU_TEST_RUN_BRANCH", "main"),
        ("HEROKU_TEST_RUN_COMMIT_VERSION", "{commit}"),
        ("HEROKU_TEST_RUN_ID", "{run}"),
    ),
    routes=(
        Route(
            host="heroku-buildpack-python.s3*.amazonaws.com",
            path="/{stack}/runtimes/python-{version}.tar.gz",
            serves="runtime.tar.gz",
        ),
        Route(
            host="heroku-buildpack-python.s3*.amazonaws.com",
            path="/python-{version}-ubuntu-{ubuntu}-{arch}.tar.zst",
            serves="runtime.tar.zst",
        ),
        Route(
            host="heroku-buildpack-python.s3*.amazonaws.com",
            path="/common/{wheel}",
            serves="tool",
        ),
        *PUBLIC,
        *BUNDLED,
    ),
)

SCALINGO: Final = Platform(
    name="scalingo",
    stack="scalingo-24",
    prefix=".scalingo/python",
    mark="/app/.scalingo",
    routes=(
        Route(
            host="python-binaries.scalingo.com",
            path="/python-{version}-ubuntu-{ubuntu}-{arch}.tar.zst",
            serves="runtime.tar.zst",
        ),
        *PUBLIC,
        *BUNDLED,
    ),
)
"""Its buildpack is a fork of Heroku's: https://github.com/Scalingo/python-buildpack"""
