#!/usr/bin/env bash
# Builds the programs of a real Kubernetes API from published Go modules, once for each release.
#
# usage: tests/envtest/build.sh [NAME...]     (kube-apiserver kubectl kube-controller-manager helm; default: all)
#
# Prints the folders that hold them, on one line, as TAPIR_ENVTEST wants it: TAPIR_ENVTEST=$(tests/envtest/build.sh).
# What is built already is only named. Their modules are pinned by go.mod and go.sum: one list for all, so that what
# helm shares with Kubernetes is compiled once.
#
#   TAPIR_ENVTEST_CACHE   where the programs are kept (default: ${XDG_CACHE_HOME:-~/.cache}/tapir/envtest)
#   GOCACHE, GOMODCACHE   Go's own, as ever
#
# Programs are kept in a folder of their release and of everything that decides what they are, so a branch with another
# go.mod has others. Several may run at once: one builds, the others wait. Interrupted, it goes on where it was: Go keeps
# each package that it has compiled.
#
# Exit: 0; 1 a program could not be had, and why is on standard error; 2 usage.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=${TAPIR_ENVTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tapir/envtest}
building=5400   # seconds that a build, and the wait for another's, may take
needed=5        # GiB that sources and compiled packages take while all is built
partial=''

fail() { printf 'envtest: %s\n' "$1" >&2; exit 1; }
say() { printf 'envtest: %s\n' "$1" >&2; }
cleanup() { [ -z "$partial" ] || rm -f "$partial"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The version that go.mod requires of a module.
version() { sed -n "s:^\(require\)\?[[:space:]]*$1 \(v[^ ]*\).*:\2:p" "$here/go.mod" | head -n 1; }

# What a program is made of: package, release, flags of the linker.
describe() {
  case $1 in
    helm)
      package=helm.sh/helm/v3/cmd/helm
      release=$(version helm.sh/helm/v3)
      flags="-X helm.sh/helm/v3/internal/version.version=$release -X helm.sh/helm/v3/internal/version.gitTreeState=clean"
      folder=helm;;
    *)
      package=k8s.io/kubernetes/cmd/$1
      release=$(version k8s.io/kubernetes)
      local minor=${release#v*.} name values flag
      values="gitVersion=$release gitMajor=1 gitMinor=${minor%%.*} gitTreeState=clean buildDate=1970-01-01T00:00:00Z"
      flags=''
      for name in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        for flag in $values; do flags="$flags -X $name.$flag"; done
      done
      folder=kubernetes;;
  esac
  [ -n "$release" ] || fail "$here/go.mod requires no release of $folder"
  flags="-s -w $flags"
  folder=$root/$folder-$release-$({ cat "$here/go.mod"; printf '%s\n' "$tags" "$flags"; } | sha256sum | cut -c1-12)
}
# Leaves out the tracing pages of gRPC, and with them templates that keep the linker from dropping unused code.
tags=grpcnotrace

# How long it takes on two cores that nobody else uses. In this order: the later ones share most with the first.
expectation() {
  case $1 in
    kube-apiserver) echo 'about seven minutes on two idle cores';;
    kubectl) echo 'half a minute after kube-apiserver';;
    kube-controller-manager) echo 'two minutes after kube-apiserver';;
    helm) echo 'a minute after kubectl';;
  esac
}

build() {
  local name=$1 begin=$SECONDS log free
  command -v go >/dev/null ||
    fail "no Go; $(sed -n 's/^go //p' "$here/go.mod") or newer is needed to build $name (https://go.dev/dl/)"
  mkdir -p "$folder" || fail "cannot make $folder"
  exec {lock}>"$root/lock"
  flock -n "$lock" || { say "another run builds; waiting for it"; flock -w "$building" "$lock"; } ||
    fail "another run holds $root/lock for more than $building s"
  if [ ! -x "$folder/$name" ]; then
    free=$(df --output=avail -BG "$(go env GOCACHE)" 2>/dev/null | tail -n 1 | tr -dc 0-9)
    [ "${free:-$needed}" -ge "$needed" ] ||
      fail "$free GiB are free for $(go env GOCACHE); building takes up to $needed"
    say "building $name $release ($(expectation "$name")) ..."
    log=$folder/$name.log
    partial=$folder/.$name.$$
    # In the background, so that a signal is acted on at once.
    (cd "$here" && GOFLAGS='' GOWORK=off CGO_ENABLED=0 timeout --foreground "$building" \
      go build -trimpath -buildvcs=false -tags "$tags" -ldflags "$flags" -o "$partial" "$package") \
      >"$log" 2>&1 {lock}>&- &
    wait $! || {
      tail -n 20 "$log" >&2
      fail "$name cannot be built; all that Go said is in $log"
    }
    mv "$partial" "$folder/$name" || fail "cannot write $folder/$name"
    partial=''
    rm -f "$log"
    say "built $name in $((SECONDS - begin)) s, $(($(stat -c %s "$folder/$name") >> 20)) MiB"
  fi
  exec {lock}>&-
}

[ $# -gt 0 ] || set -- kube-apiserver kubectl kube-controller-manager helm
for name; do
  case $name in
    kube-apiserver | kubectl | kube-controller-manager | helm) ;;
    *) printf 'usage: %s [kube-apiserver|kubectl|kube-controller-manager|helm]...\n' "$0" >&2; exit 2;;
  esac
done
folders=''
for name; do
  describe "$name"
  [ -x "$folder/$name" ] || build "$name"
  case ":$folders:" in *":$folder:"*) ;; *) folders=${folders:+$folders:}$folder;; esac
done
printf '%s\n' "$folders"
