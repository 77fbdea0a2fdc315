#!/bin/sh
# Writes the lock files beside this script from pyproject.toml: exact versions with the hashes of all their files.
#   deploy/requirements/lock.sh              keeps versions that still fit
#   deploy/requirements/lock.sh --upgrade    takes the newest
set -eu
cd "$(dirname "$0")/../.."
lock() {
  out=deploy/requirements/$1; shift
  uv pip compile "$@" --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate \
    --python-version 3.13 --python-platform linux --output-file "$out"
}
# onnxruntime-gpu takes the place of onnxruntime, which other extras ask for.
never=$(mktemp); trap 'rm "$never"' EXIT
echo "onnxruntime ; sys_platform == 'never'" >"$never"

lock cpu.txt pyproject.toml --extra serve --extra redis --extra otel "$@"
lock gpu.txt pyproject.toml --extra gpu --extra redis --extra otel --override "$never" "$@"
lock build.txt deploy/requirements/build.in "$@"
