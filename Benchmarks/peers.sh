#!/usr/bin/env bash
# Prints the tables with other libraries beside recc. They go into an environment of their own under .build; without
# network, or with peers that cannot be installed, the rest is printed.
set -euo pipefail
recc=${1:-.build/release/recc}
shift || true
cd "$(dirname "$0")/.."
env=.build/peers
python=$env/bin/python
packages=Benchmarks/peers/packages.txt

if ! cmp -s "$packages" "$env/installed.txt"; then
  echo "peers: installing into $env"
  rm -rf "$env"
  if python3 -m venv "$env"; then
    complete=yes
    while read -r -a line; do
      [[ ${#line[@]} -eq 0 || ${line[0]} == \#* ]] && continue
      if ! "$env/bin/pip" install -q "${line[@]}" 2>"$env/pip.log"; then
        echo "peers: ${line[0]} cannot be installed: $(grep -m 1 ERROR "$env/pip.log" || tail -n 1 "$env/pip.log")"
        complete=no
      fi
    done <"$packages"
    # What failed is tried again by the next run.
    if [ $complete = yes ]; then cp "$packages" "$env/installed.txt"; fi
  else
    echo "peers: python3 has no venv here (on Debian: apt-get install python3-venv)"
  fi
fi

if [ -x "$python" ] && "$python" -c 'import numpy' 2>/dev/null; then
  exec python3 Benchmarks/bench.py --recc "$recc" --peers "$python" "$@"
fi
echo "peers: none; recc alone"
exec python3 Benchmarks/bench.py --recc "$recc" "$@"
