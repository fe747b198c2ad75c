#!/usr/bin/env bash
# `kubectl tapir` against a real API server, called by a real kubectl, and against a running manager.
#
# usage: tests/kubectl.sh BINARY CLUSTER
#
# CLUSTER is the binary `tapir-cluster`; TAPIR_ENVTEST names the folders of its programs. No pod ever runs here: their status is written by
# hand. One line per check, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
if [ "$2" != --inside ]; then
  cluster=$(realpath -e "$2") || exit 2
  command -v jq >/dev/null || { echo "kubectl.sh: skipped: jq is not installed"; exit 0; }
  exec "$cluster" "$here/kubectl.sh" "$tapir" --inside
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-kubectl.XXXXXX")
manager=
cleanup() { [ -z "$manager" ] || { kill "$manager"; wait "$manager"; } 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
passed=0 failed=0
unset TAPIR_SERVER TAPIR_TOKEN TAPIR_TOKEN_FILE TAPIR_KUBECONFIG TAPIR_CA_FILE

# COMMAND…: its output is in out, what it says in err, its exit code in $code.
run() { timeout 60 "$@" >"$work/out" 2>"$work/err"; code=$?; }
# WHAT TEST…: every test holds.
check() {
  local what=$1 one
  shift
  for one in "$@"; do
    if ! eval "$one"; then
      failed=$((failed + 1)); printf 'FAILED  %s: %s (exit code %s)\n' "$what" "$one" "$code"
      head -n 12 "$work/out" | sed 's/^/        out: /'; tail -n 4 "$work/err" | sed 's/^/        err: /'
      return
    fi
  done
  passed=$((passed + 1)); printf 'ok      %s\n' "$what"
}
exits() { [ "$code" = "$1" ]; }
prints() { grep -qE -- "$1" "$work/out"; }
says() { grep -qE -- "$1" "$work/err"; }
json() { jq -e "$1" "$work/out" >/dev/null; }

# --- as a plugin ---------------------------------------------------------------------------------------

mkdir "$work/bin"; ln -s "$tapir" "$work/bin/kubectl-tapir"; ln -s "$tapir" "$work/bin/tapir"
export PATH=$work/bin:$PATH
run kubectl plugin list;                  check "kubectl finds the plugin" 'exits 0' 'prints "/kubectl-tapir$"'
run kubectl tapir --help;                 check "it is called as kubectl calls it" 'exits 0' 'prints "Usage: kubectl tapir"' 'prints "inspections" ' 'prints "coverage"'
run kubectl tapir --version;              check "it says its version" 'exits 0' 'prints "tapir [0-9]"'
run kubectl tapir scan x.pcap;            check "it does what a plugin does and nothing else" 'exits 2'
run tapir kubectl --help;                 check "the same is tapir kubectl" 'exits 0' 'prints "coverage"'
run kubectl tapir inspections --kubeconfig nope.yaml; check "a kubeconfig that is not there is named" 'exits 1' 'says "nope.yaml"'
run kubectl tapir inspections --context nope;         check "a context that is not there is named" 'exits 1' 'says "nope"'
run env KUBECONFIG=/dev/null kubectl-tapir inspections; check "without a cluster it says what to do" 'exits 1' 'says "context"'

# --- before Tapir is there -----------------------------------------------------------------------------

run kubectl tapir inspections -A;         check "a cluster without Tapir" 'exits 1' 'says "tapir install"'
run kubectl tapir status;                 check "has no status" 'exits 1' 'says "tapir install"'
kubectl apply -f "$here/../deploy/crds" >"$work/crds" 2>&1 || { cat "$work/crds"; exit 1; }
kubectl wait --for=condition=Established crd --all --timeout=30s >/dev/null
run kubectl tapir status;                 check "with definitions only nobody has run" 'exits 1' 'says "no operator has run"'
run kubectl tapir inspections -A;         check "and nothing asks for inspection" 'exits 0' 'says "nothing asks for inspection"' '[ ! -s "$work/out" ]'
run kubectl tapir inspections -A -o json; check "JSON is a list all the same" 'exits 0' 'json ".items == []"'

# --- a cluster -----------------------------------------------------------------------------------------

kubectl apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: pay}}
---
apiVersion: v1
kind: Namespace
metadata: {name: bare}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {zone: a}}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {zone: b}}
YAML
for namespace in shop bare; do
  kubectl -n $namespace create serviceaccount robot >/dev/null
done
kubectl -n shop label serviceaccount robot tier=web >/dev/null
pod() {  # NAMESPACE NAME APP NODE HOSTNETWORK STATUS
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $2, namespace: $1, labels: {app: $3}}
spec:
  nodeName: $4
  hostNetwork: $5
  serviceAccountName: robot
  automountServiceAccountToken: false
  containers: [{name: c, image: i}]
YAML
  kubectl -n "$1" patch pod "$2" --subresource=status --type=merge -p "{\"status\":$6}" >/dev/null
}
running='{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}'
pod shop cart-1 cart n1 false "$running"
pod shop cart-2 cart n2 false "$running"
pod shop front-1 front n1 false "$running"
pod shop job-1 job n1 false '{"phase":"Succeeded"}'
pod shop early-1 front n1 false '{"phase":"Pending"}'
pod bare lonely-1 lonely n1 false "$running"
pod bare proxy-1 proxy n1 true "$running"
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: projectcalico.org/v3
kind: DeepPacketInspection
metadata: {name: carts, namespace: shop}
spec: {selector: app == "cart"}
---
apiVersion: crd.projectcalico.org/v1
kind: DeepPacketInspection
metadata: {name: stored, namespace: shop}
spec: {selector: pcsa.tier == "web" && pcns.team == "pay" && app == "front"}
---
apiVersion: tapir.dev/v1alpha1
kind: Inspection
metadata: {name: paid}
spec: {workloads: {namespaceSelector: team == "pay"}, nodeSelector: zone == "a"}
YAML
kubectl -n shop patch deeppacketinspections.projectcalico.org carts --subresource=status --type=merge -p '{"status":{"nodes":[{"node":"n1","active":{"success":true}},{"node":"n2","active":{"success":false},"errorConditions":[{"message":"no interface \u001b[2J\u202e"}]}]}}' >/dev/null

run kubectl tapir inspections -A;         check "all that asks is listed" 'exits 0' 'prints "^shop +carts +1/2 .* app == \"cart\"$"' 'prints "^shop +stored "' 'prints "^- +paid .*in namespaces team == \"pay\" on nodes zone == \"a\"$"'
run kubectl tapir inspections -n shop -o wide; check "wide has kind and last error, which moves no terminal" 'exits 0' 'prints "LAST ERROR"' 'prints "n2: no interface .x1b.2J.u\{202e\}"' '! grep -q $'"'\\e'"' "$work/out"'
run kubectl tapir inspections;            check "without -A it is the context's namespace" 'exits 0' '! prints carts' 'prints paid'
run kubectl tapir inspections -n nope;    check "a namespace without any has those of the cluster" 'exits 0' '[ "$(wc -l <"$work/out")" = 2 ]'
run kubectl tapir dpi -n shop -o name;    check "names are kubectl's" 'exits 0' 'prints "^deeppacketinspection.projectcalico.org/carts$"' 'prints "^inspection.tapir.dev/paid$"'
kubectl get -n shop deeppacketinspection.projectcalico.org/carts >/dev/null; code=$?
check "which kubectl takes" 'exits 0'
run kubectl tapir inspections -A -o json; check "JSON is what the API server has" 'exits 0' 'json "[.items[] | {kind, name: .metadata.name}] == [{kind: \"DeepPacketInspection\", name: \"carts\"}, {kind: \"DeepPacketInspection\", name: \"stored\"}, {kind: \"Inspection\", name: \"paid\"}]"'
run kubectl tapir inspections -A -o yaml; check "YAML the same" 'exits 0' 'kubectl tapir inspections -A -o json >"$work/json" && python3 -c "import json, sys, yaml; assert yaml.safe_load(open(sys.argv[1])) == json.load(open(sys.argv[2]))" "$work/out" "$work/json"'
run kubectl tapir inspections -A --no-headers; check "no headings" 'exits 0' '! prints NAMESPACE'

run kubectl tapir coverage -A -o json;    check "coverage: who selects whom, by labels of account, namespace and node" 'exits 0' \
  'json "[.namespaces[] | select(.namespace == \"shop\") | .pods[] | {(.pod): .inspections}] | add == {\"cart-1\": [\"shop/carts\", \"paid\"], \"cart-2\": [\"shop/carts\"], \"front-1\": [\"shop/stored\", \"paid\"]}"' \
  'json ".namespaces[] | select(.namespace == \"shop\") | .total == {selected: 3, by_none: 0, host_network: 0, finished: 1, waiting: 1}"' \
  'json ".namespaces[] | select(.namespace == \"bare\") | .total == {selected: 0, by_none: 1, host_network: 1, finished: 0, waiting: 0}"' \
  'json ".total == {selected: 3, by_none: 1, host_network: 1, finished: 1, waiting: 1}"'
run kubectl tapir coverage -A;            check "coverage: a table of pods, one of totals" 'exits 0' 'prints "^shop +cart-1 +shop/carts,paid$"' 'prints "^bare +lonely-1 +none$"' 'prints "^\(all\) +3 +1 +1 +1 +1$"' 'says "3 of 4 pods selected; 3 more cannot be"'
run kubectl tapir coverage -A --uncovered -o name; check "coverage: names of those that nobody selects" 'exits 0' '[ "$(cat "$work/out")" = pod/lonely-1 ]'
run kubectl tapir coverage -n shop --totals; check "coverage: of one namespace, totals only" 'exits 0' '! prints cart-1' '! prints bare' 'prints "^shop +3 +0 +0 +1 +1$"'
run kubectl tapir coverage -n shop -o wide; check "coverage: wide has nodes" 'exits 0' 'prints "^shop +cart-2 +n2 +shop/carts$"'

# --- status --------------------------------------------------------------------------------------------

part() {  # NAME AVAILABLE DEGRADED MESSAGE
  kubectl apply -f - >/dev/null <<YAML
apiVersion: tapir.dev/v1alpha1
kind: TapirStatus
metadata: {name: $1}
spec: {}
YAML
  condition() { printf '{"type":"%s","status":"%s","reason":"R","message":"m","lastTransitionTime":"2026-11-24T03:12:07Z"}' "$1" "$2"; }
  kubectl patch tapirstatus "$1" --subresource=status --type=merge -p "{\"status\":{\"message\":\"$4\",\"conditions\":[$(condition Available "$2"),$(condition Progressing False),$(condition Degraded "$3")]}}" >/dev/null
}
part inspection True False "1 of 2 agents run"
part manager True False "the manager answers"
kubectl create namespace tigera-dpi >/dev/null
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: tigera-dpi, namespace: tigera-dpi, labels: {app.kubernetes.io/part-of: tapir}}
spec:
  selector: {matchLabels: {k8s-app: tigera-dpi}}
  template: {metadata: {labels: {k8s-app: tigera-dpi}}, spec: {containers: [{name: c, image: registry.example/tapir:1}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: somebody-elses, namespace: tigera-dpi}
spec:
  selector: {matchLabels: {k8s-app: other}}
  template: {metadata: {labels: {k8s-app: other}}, spec: {containers: [{name: c, image: i}]}}
YAML
kubectl -n tigera-dpi patch daemonset tigera-dpi --subresource=status --type=merge -p '{"status":{"currentNumberScheduled":2,"desiredNumberScheduled":2,"numberReady":1,"numberMisscheduled":0,"updatedNumberScheduled":2,"numberUnavailable":1}}' >/dev/null
run kubectl tapir status -o wide;         check "status: parts and agents" 'exits 0' 'prints "^inspection +True +False +False .* 1 of 2 agents run$"' 'prints "^tigera-dpi +tigera-dpi +2 +1 +2 +1 +0 +registry.example/tapir:1$"' '! prints somebody'
run kubectl tapir status -o json;         check "status: JSON" 'exits 0' 'json "(.items | length) == 2 and .daemonSets[0].ready == 1"'
part inspection True True "quiet nodes: n2"
run kubectl tapir status;                 check "status: degraded is exit code 1, and says why" 'exits 1' 'says "inspection is degraded: quiet nodes: n2"'
part inspection False False "no agent runs"
run kubectl tapir status -q;              check "status: not available is, too" 'exits 1' 'says "no agent runs"'

# --- somebody who may not --------------------------------------------------------------------------------

kubectl -n shop create role reader --verb=list --resource=deeppacketinspections.projectcalico.org >/dev/null
kubectl -n shop create rolebinding reader --role=reader --serviceaccount=shop:robot >/dev/null
token=$(kubectl -n shop create token robot --duration=1h)
kubectl config view --raw -o json | jq --arg token "$token" '.users = [{name: "u", user: {token: $token}}] | .contexts = [{name: "x", context: {cluster: .clusters[0].name, user: "u", namespace: "shop"}}] | ."current-context" = "x"' >"$work/robot.json"
as_robot() { run kubectl-tapir "$@" --kubeconfig "$work/robot.json"; }
# A role that was just made is not always in force at once.
for _ in $(seq 50); do as_robot inspections; [ "$code" = 0 ] && break; sleep 0.1; done
check "of one namespace what may be seen is shown, and what not is said" 'exits 0' 'prints carts' '! prints paid' 'says "not permitted to list inspections.tapir.dev"'
as_robot inspections -A;                  check "verb and resource of a refusal" 'exits 1' 'says "not permitted to list deeppacketinspections.projectcalico.org"' 'says "cannot list"'
as_robot coverage;                        check "no coverage from half of what asks" 'exits 1' 'says "not permitted to list inspections.tapir.dev"' '[ ! -s "$work/out" ]'
as_robot status;                          check "status may not be seen" 'exits 1' 'says "not permitted to list tapirstatuses.tapir.dev"'
jq '.users[0].user.token = "wrong"' "$work/robot.json" >"$work/wrong.json"
run kubectl-tapir status --kubeconfig "$work/wrong.json"; check "a stranger is told to sign in" 'exits 1' 'says "sign in again"'
jq '.clusters[0].cluster.server = "https://127.0.0.1:1"' "$work/robot.json" >"$work/away.json"
run kubectl-tapir status --kubeconfig "$work/away.json"; check "an API server that is away" 'exits 1' 'says "refused"'

# --- the manager -------------------------------------------------------------------------------------------

run kubectl tapir drops;                  check "drops: how the manager is reached" 'exits 2' 'says "no token"' 'says "kubectl -n tapir-system port-forward service/tapir-manager 9443"'
run kubectl tapir alerts;                 check "alerts: the same" 'exits 2' 'says "port-forward"'
"$tapir" manager --listen 127.0.0.1:0 --data-dir "$work/data" --ready-file "$work/ready" >"$work/manager" 2>&1 & manager=$!
for _ in $(seq 300); do [ -s "$work/ready" ] && break; sleep 0.1; done
TAPIR_SERVER=$(cat "$work/ready"); case $TAPIR_SERVER in http*) ;; *) TAPIR_SERVER=http://$TAPIR_SERVER ;; esac
export TAPIR_SERVER
sed -n 's/^admin token: //p' "$work/manager" >"$work/admin"
agent=$(sed -n 's/^agent token: //p' "$work/manager")
run kubectl tapir drops --token-file "$work/admin"; check "drops: before any node" 'exits 0' 'says "heard of no node"' '! says port-forward'
curl -sf -o /dev/null -H "Authorization: Bearer $agent" -H 'Content-Type: application/json' "$TAPIR_SERVER/api/v1/heartbeat" \
  -d '{"node":"n1","version":"0.1.0","rules":4000,"packets":990,"drops":{"kernel_drops":10,"flows_evicted":3},"endpoints":4}'
run kubectl tapir drops --token-file "$work/admin"; check "drops: the kernel's stand apart" 'exits 0' 'prints "^n1 +990 +10 \(1.0%\) +3 +[0-9]+s$"'
run kubectl tapir nodes --token-file "$work/admin" -o wide; check "drops: wide says why" 'exits 0' 'prints "flows_evicted=3 kernel_drops=10$"'
run kubectl tapir drops --token-file "$work/admin" -o json; check "drops: JSON is the manager's" 'exits 0' 'json ".items[0].drops.kernel_drops == 10"'
run kubectl tapir alerts --token-file "$work/admin" -n shop; check "alerts: passed on" 'exits 0' 'says "no alerts"'
run kubectl tapir alerts --token-file "$work/admin" list --query 'severty:high'; check "alerts: with their failures" 'exits 2' 'says "severity"' '! says port-forward'
run env TAPIR_TOKEN=wrong kubectl-tapir drops; check "drops: a wrong token" 'exits 1' 'says "does not know who asks"'

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
