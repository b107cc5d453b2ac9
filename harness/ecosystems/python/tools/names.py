"""Which projects are build tools, and which of them every build is offered."""

# The newest that still run on every Python from 3.8 to 3.13: one set serves every build.
BASE_TOOLS = (
    "flit-core==3.12.0",
    "pip==25.0.1",
    "setuptools==75.3.2",
    "wheel==0.45.1",
)

INSTALLERS = frozenset({"pip", "pipenv", "poetry", "setuptools", "uv", "virtualenv", "wheel"})
"""What installs the packages of apps, whatever a buildpack pins: normalised names of projects."""
