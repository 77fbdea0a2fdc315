#!/bin/bash
# A Docker engine for a Debian machine that has neither an engine nor a registry: Debian's own dockerd, started by hand
# with all its state in one folder, and local stand-ins for the public images that the project names.
# It changes no network or kernel setting. Needs root.
#
#   engine.sh start DIR IMAGE…   start it and make a stand-in for every IMAGE, tagged with its public name
#   engine.sh stop DIR           stop it; what it built stays in DIR for the next time
#
# Then: export DOCKER_HOST=unix://DIR/docker.sock
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
action=$1; mkdir -p "$2"; dir=$(readlink -f "$2"); shift 2
export DOCKER_HOST=unix://$dir/docker.sock DOCKER_CONFIG=$dir/config DOCKER_BUILDKIT=1
docker=/usr/bin/docker # Debian's client has BuildKit built in; a newer one wants a plugin
die() { echo "engine: $*" >&2; exit 1; }
retry() { local n=$1; shift; while ((n--)); do "$@" && return; sleep 1; done; return 1; }
answers() { $docker info >/dev/null 2>&1; }

install_tools() {
  command -v dockerd mmdebstrap iptables >/dev/null && return
  [ "$(id -u)" = 0 ] || die "expected root, to install and start docker.io, got user $(id -un)"
  command -v apt-get >/dev/null || die "expected a Debian machine (apt-get), or an engine of your own that answers 'docker info'"
  apt-get -o DPkg::Lock::Timeout=300 update -qq
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
    docker.io mmdebstrap iptables >/dev/null
}

start_engine() {
  answers && return
  mkdir -p "$DOCKER_CONFIG"
  dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" -H "$DOCKER_HOST" \
    --storage-driver=overlay2 --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none \
    --log-level=warn >"$dir/dockerd.log" 2>&1 &
  retry 40 answers || { tail -5 "$dir/dockerd.log" >&2; die "dockerd did not start"; }
}

python_base() { # the tag of a public Python image → the same tag, made here
  $docker image inspect "$1" >/dev/null 2>&1 && return
  local version; version=$(sed -E 's/^.*python:([0-9]+\.[0-9]+).*/\1/' <<<"$1")
  [ -s "$dir/python$version.tar" ] || "$here/python_base.sh" "$dir/python$version.tar" "$version"
  $docker import --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' "$dir/python$version.tar" "$1" >/dev/null
}

stand_in() {
  local target
  case $1 in
    python:*) python_base "$1"; return ;;
    redis:*) target=redis ;;
    haproxy:*) target=haproxy ;;
    prom/prometheus:*) target=prometheus ;;
    grafana/grafana:*) target=grafana ;;
    *) die "no stand-in for $1" ;;
  esac
  $docker build -q --network=host --build-arg BASE="$base" --target $target -t "$1" "$here" >/dev/null
}

case $action in
  start)
    install_tools
    start_engine
    base=$1
    for image in "$@"; do stand_in "$image"; done
    ;;
  stop)
    [ -s "$dir/dockerd.pid" ] && kill "$(cat "$dir/dockerd.pid")"
    retry 20 test ! -e "$dir/dockerd.pid" || die "dockerd did not stop"
    umount -l "$dir/exec/netns/default" "$dir/data" 2>/dev/null || true # dockerd leaves these mounts behind
    ;;
  *) die "expected start or stop, got $action" ;;
esac
