#!/usr/bin/env bash
# Installs what the build needs and this machine lacks: LLVM 19, with which recc generates machine code.
set -euo pipefail
if ! command -v swift >/dev/null; then
  echo "setup: Swift 6.2 or later is needed; see https://www.swift.org/install" >&2
  exit 1
fi
if [ -e /usr/lib/llvm-19/include/llvm-c/Core.h ] && ldconfig -p | grep -q 'libLLVM.*19'; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "setup: please install LLVM 19 with its headers under /usr/lib/llvm-19" >&2
  exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root, or install llvm-19-dev yourself" >&2; exit 1; }
  sudo=sudo
fi
echo "setup: installing llvm-19-dev (LLVM's library and headers, for generating machine code)"
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq llvm-19-dev >/dev/null
