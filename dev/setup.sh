# Sourced by the scripts beside it: brings a fresh Debian or Ubuntu machine to where .venv/bin has
# everything. Installs only what is missing, and asks sudo only when something is.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need git git
need mmdebstrap mmdebstrap
need bwrap bubblewrap
# An ordinary user's mmdebstrap needs a range of user ids to unpack packages with.
[[ $EUID -eq 0 ]] || need newuidmap uidmap
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "$python is older than 3.11; set PYTHON=/path/to/python3.11 or newer" >&2; exit 2; }
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if ((${#missing[@]})); then
  echo "installing: ${missing[*]}" >&2
  sudo=()
  [[ $EUID -eq 0 ]] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -qq -y --no-install-recommends \
    "${missing[@]}" >/dev/null
fi

[[ -x .venv/bin/python ]] || "$python" -m venv .venv
