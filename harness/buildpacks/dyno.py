"""How a platform that runs classic buildpacks starts a process of an app.

Source: https://devcenter.heroku.com/articles/dynos
"""

from typing import Final

from harness.buildpacks.preparation import Launch
from harness.trees.named import APP

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LANG: Final = ("LANG", "C.UTF-8")
START: Final = """
for script in .profile.d/*.sh .profile; do
  if [ -f "$script" ]; then . "./$script"; fi
done
exec bash -c "$1"
"""
"""A script for bash, whose first argument is the command."""


def launch(home: str, stack: str) -> Launch:
    """How a command of an app is started.

    Args:
        home: Where the app lies.
        stack: The stack's name.
    """
    return Launch(
        places=((APP, home),),
        start=("bash", "-c", START, "start"),
        env=(
            ("DYNO", "run.1"),
            ("HOME", home),
            LANG,
            ("PATH", PATH),
            ("PORT", "5000"),
            ("STACK", stack),
        ),
        cwd=home,
    )
