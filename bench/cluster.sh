#!/usr/bin/env bash
# How fast and how light Tapir is in a cluster: a real Kubernetes API, a node with many pods, many inspections.
#
# usage: bench/cluster.sh BINARY CLUSTER [PODS]
#
# CLUSTER is the binary `tapir-cluster`; TAPIR_ENVTEST names the folders of its programs. PODS (110) are pods with interfaces on the node.
# Needs root. Prints a table; bench/cluster.py says how each figure is taken.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
cluster=$(realpath -e "$2") || exit 2
pods=${3:-110}
[ "$(id -u)" = 0 ] || { echo "cluster.sh: network namespaces need root" >&2; exit 1; }
node=tb-$$-node
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-bench.XXXXXX")
pids=()
cleanup() {
  local pid name
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  ip netns list 2>/dev/null | cut -d' ' -f1 | grep "^tb-$$-" | while read -r name; do ip netns del "$name" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
ip netns add "$node" && ip -n "$node" link set lo up && ip -n "$node" addr add 10.240.0.4/32 dev lo || exit 1
. "$here/../tests/kubernetes-api.sh"
begin_cluster ip netns exec "$node" "$cluster" --controllers
await_cluster
KUBECONFIG=$admin
export KUBECONFIG
ip netns exec "$node" "$kubectl" config view --raw -o json >"$work/kubeconfig.json"
"$tapir" install --print --calico-crds always 2>/dev/null >"$work/install.yaml"
ip netns exec "$node" "$kubectl" apply -f "$work/install.yaml" >"$work/applied" 2>&1 || { cat "$work/applied" >&2; exit 1; }
ip netns exec "$node" python3 "$here/cluster.py" "$tapir" "$work" "tb-$$" "$pods"
