#!/usr/bin/env bash
# Prints the tables with other libraries beside recc. They go into an environment of their own under .build; what cannot be
# installed, without network say, is left out.
set -euo pipefail
recc=${1:-.build/release/recc}
shift || true
cd "$(dirname "$0")/.."
env=.build/peers
packages=Benchmarks/peers/packages.txt

install() {
  if [ ! -x "$env/bin/pip" ] && ! python3 -m venv "$env"; then
    echo "peers: python3 makes no environments here (on Debian: apt-get install python3-venv)"
    return
  fi
  local complete=yes line
  while read -r -a line; do
    if [[ ${#line[@]} -eq 0 || ${line[0]} == \#* ]]; then continue; fi
    echo "peers: installing ${line[0]} into $env"
    if ! "$env/bin/pip" install -q --retries 1 "${line[@]}" 2>"$env/pip.log"; then
      echo "peers: ${line[0]} cannot be installed: $(grep -m 1 ERROR "$env/pip.log" || tail -n 1 "$env/pip.log")"
      complete=no
      # Nothing works without the first.
      if ! "$env/bin/python" -c 'import numpy' 2>/dev/null; then return; fi
    fi
  done <"$packages"
  # What failed is tried again by the next run.
  if [ $complete = yes ]; then cp "$packages" "$env/installed.txt"; fi
}

if ! cmp -s "$packages" "$env/installed.txt"; then install; fi
if "$env/bin/python" -c 'import numpy' 2>/dev/null; then
  exec python3 Benchmarks/bench.py --recc "$recc" --peers "$env/bin/python" "$@"
fi
echo "peers: none is installed; recc alone"
exec python3 Benchmarks/bench.py --recc "$recc" "$@"
