#!/bin/sh
# As in the official image: protected mode is off, so that other containers reach it.
[ "$1" = redis-server ] && set -- "$@" --protected-mode no
exec "$@"
