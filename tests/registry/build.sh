#!/usr/bin/env bash
# Builds a registry for tests, the reference implementation of the distribution specification, from published Go modules, once.
#
# usage: tests/registry/build.sh      prints the program, as TAPIR_REGISTRY wants it: TAPIR_REGISTRY=$(tests/registry/build.sh)
#
# Without the storage of clouds, which is most of what it would take to build. Pinned by go.mod and go.sum.
#
#   TAPIR_REGISTRY_CACHE   where the program is kept (default: ${XDG_CACHE_HOME:-~/.cache}/tapir/registry)
#   GOCACHE, GOMODCACHE    Go's own, as ever
#
# Kept in a folder of its release and of what decides what it is. Several may run at once: one builds, the others wait.
#
# Exit: 0; 1 it could not be had, and why is on standard error.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${TAPIR_REGISTRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tapir/registry}
building=1800   # seconds that a build, and the wait for another's, may take
fail() { printf 'registry: %s\n' "$1" >&2; exit 1; }
release=$(sed -n 's:^require github.com/distribution/distribution/v3 \(v[^ ]*\).*:\1:p' "$here/go.mod")
[ -n "$release" ] || fail "$here/go.mod requires no release"
folder=$root/$release-$(cat "$here/go.mod" "$here/main.go" | sha256sum | cut -c1-12)
if [ ! -x "$folder/registry" ]; then
  command -v go >/dev/null ||
    fail "no Go; $(sed -n 's/^go //p' "$here/go.mod") or newer is needed to build it (https://go.dev/dl/)"
  mkdir -p "$folder" || fail "cannot make $folder"
  exec {lock}>"$root/lock"
  flock -w "$building" "$lock" || fail "another run holds $root/lock for more than $building s"
  if [ ! -x "$folder/registry" ]; then
    printf 'registry: building %s (about a minute on two idle cores) ...\n' "$release" >&2
    (cd "$here" && GOFLAGS='' GOWORK=off CGO_ENABLED=0 timeout --foreground "$building" \
      go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$folder/.registry.$$" .) >"$folder/log" 2>&1 {lock}>&- || {
      rm -f "$folder/.registry.$$"; tail -n 20 "$folder/log" >&2; fail "it cannot be built; all that Go said is in $folder/log"
    }
    mv "$folder/.registry.$$" "$folder/registry" || fail "cannot write $folder/registry"
  fi
fi
printf '%s\n' "$folder/registry"
