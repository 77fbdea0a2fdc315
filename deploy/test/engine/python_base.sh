#!/bin/bash
# A stand-in for the public python:VERSION-slim-bookworm, from this machine's apt mirror and a CPython of that version.
#   python_base.sh OUT.tar VERSION       env PYTHON_PREFIX: where that CPython lies; else pyenv's newest
set -euo pipefail
out=$1 version=$2
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; root=$work/root

cpython=${PYTHON_PREFIX:-$(ls -d "$(pyenv root 2>/dev/null || echo ~/.pyenv)"/versions/"$version".* 2>/dev/null | sort -V | tail -1)}
[ -x "$cpython/bin/python$version" ] || {
  echo "python_base: expected a CPython $version: set PYTHON_PREFIX to one, or 'pyenv install $version'" >&2; exit 1; }
mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {print $2; exit}' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null)

mmdebstrap --quiet --mode=root --variant=minbase \
  --include=ca-certificates,netbase,tzdata,libssl3,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,libreadline8,zlib1g,libncursesw6,libuuid1,libexpat1,libnsl2,libtirpc3 \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --aptopt='Apt::Install-Recommends "false"' bookworm "$root" "deb $mirror bookworm main"

# CPython finds its prefix from where its binary lies, so the tree may move to /usr/local, as in the public image.
tar -C "$cpython" -cf - --exclude=__pycache__ --exclude='*/test' --exclude='*/tests' --exclude='*/idlelib' \
  --exclude='*/tkinter' --exclude='*/turtledemo' --exclude='*.a' --exclude='config-3*' --exclude=share \
  --exclude='_tkinter*.so' --exclude='*/site-packages/*' . | tar -C "$root/usr/local" -xf - --no-same-owner
ln -sf python3 "$root/usr/local/bin/python"
chroot "$root" ldconfig # for libpython
chroot "$root" python3 -m ensurepip >/dev/null 2>&1

# The machine's own certificate authorities: in the stand-in, never in the project's Dockerfile.
cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
chroot "$root" update-ca-certificates >/dev/null 2>&1
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*
chroot "$root" python -c 'import bz2, ctypes, lzma, readline, sqlite3, ssl, uuid, zlib, sys; print(sys.version)'
find "$root" -name __pycache__ -prune -exec rm -rf {} +
tar --numeric-owner -C "$root" -cf "$out" .
