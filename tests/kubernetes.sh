#!/usr/bin/env bash
# `tapir agent` in a cluster: a real API server, pods with real servers in network namespaces, and the resources that people
# apply, with kubectl, as they do.
#
# usage: tests/kubernetes.sh BINARY CLUSTER
#
# CLUSTER is the binary `tapir-cluster`; TAPIR_ENVTEST names the folders of its programs. Needs root, nginx and curl; without
# them it says so and ends with 0. One line per check, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 5p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
cluster=$(realpath -e "$2") || exit 2
pod_namespace=hipstershop
. "$here/node.sh"
mkdir "$work/rules"

# --- a cluster, in the node's network namespace ---------------------------------------------------

. "$here/kubernetes-api.sh"
begin_cluster ip netns exec "$node" "$cluster"
await_cluster
kc() { in_node "$kubectl" --kubeconfig "$admin" "$@"; }
apply() { kc apply -f - >"$work/applied" 2>&1 || { cat "$work/applied" >&2; return 1; }; }

pod() { tell_running_pod "$1" "$4" "$3" "10.65.1.$2" "fd00::$2"; }  # NAME NUMBER APP NODE
inspection() {  # NAME SELECTOR
  apply <<YAML
apiVersion: projectcalico.org/v3
kind: DeepPacketInspection
metadata: {name: $1, namespace: hipstershop}
spec: {selector: '$2'}
YAML
}
status() { kc -n hipstershop get deeppacketinspections.projectcalico.org "$1" -o json | jq -ce ".status.nodes // [] | $2"; }
agent() {  # NODE HEALTH-PORT [RULES]: as the service account, with what it may do and no more
  account_config tapir-agents tapir-agent "$work/$1.kubeconfig"
  ip netns exec "$node" "$tapir" agent --kubeconfig "$work/$1.kubeconfig" --node "$1" --namespace tapir-agents --rules "${3:-$work/rules}" \
    --format tapir --health "127.0.0.1:$2" >>"$work/$1.alerts" 2>>"$work/$1.log" &
  agent_pid=$!
  pids+=("$agent_pid")
}

cat >"$work/rules/own.rules" <<'RULES'
alert http ( msg:"seed"; flow:to_server,established; http_header; content:"User-Agent|3A 20|Mozilla/4.0|0D 0A|"; http_client_body; content:"smk=",depth 4; sid:21562; rev:6; )
RULES
kc create namespace tapir-agents >/dev/null
kc create namespace hipstershop >/dev/null
kc -n hipstershop create serviceaccount default >/dev/null
kc apply -f "$here/../deploy/kubernetes/agent-rbac.yaml" >/dev/null

# --- an agent before anything else is there -------------------------------------------------------

touch "$work/node-1.alerts" "$work/node-1.log"
alerts=$work/node-1.alerts log=$work/node-1.log
agent node-1 9097
within "without definitions of resources the agent waits and says so" 10 logged 'deeppacketinspections.projectcalico.org are not served by this cluster'
within "it is alive" 5 health_says liveness 200
if kc apply -f "$here/../deploy/crds" >"$work/crds" 2>&1; then ok "the API server takes the definitions"; else bad "the API server takes the definitions"; cat "$work/crds"; fi
within "they are established" 10 kc wait --for=condition=Established crd/deeppacketinspections.projectcalico.org --timeout=5s
within "and heard of" 15 logged 'deeppacketinspections.projectcalico.org: heard again'
within "the agent is ready" 5 health_says readiness 200

# --- the tutorial's steps ---------------------------------------------------------------------------

start_pod frontend-6b64dc9665-97687 9
start_pod cart-6b64dc9665-abcde 8
for number in 9 8; do within "the server of 10.65.1.$number answers" 5 in_node curl -gsS --max-time 1 "http://10.65.1.$number:8080/"; done
pod frontend-6b64dc9665-97687 9 frontend node-1
pod cart-6b64dc9665-abcde 8 cart node-1
pod elsewhere-6b64dc9665-zzzzz 7 frontend node-2
inspection sample-dpi-frontend 'app == "frontend"'
within "the selected pod is inspected" 3 logged "hipstershop/frontend-6b64dc9665-97687 on cali047739587bc: inspected for hipstershop/sample-dpi-frontend \(found by route\)"
never "the other one is not" logged "cart-.* on cali"
never "nor one of another node" logged "elsewhere-"
mark; attack 10.65.1.9
within "an attack is alerted with the names of its workload" 3 alerted '.rule.sid == 21562 and .server.owner_name == "frontend" and .server.owner_kind == "Deployment" and .inspection.name == "sample-dpi-frontend"'
mark; attack '[fd00::9]'
within "the same over IPv6" 3 alerted '.destination.ip == "fd00::9" and .server.pod == "frontend-6b64dc9665-97687"'
mark; attack 10.65.1.8; sleep 0.5
never "a pod that nobody selected is left alone" alerted true
within "the resource says that this node inspects" 15 status sample-dpi-frontend '.[] | select(.node == "node-1" and .active.success and (.errorConditions // [] | length) == 0)'
listed() { kc get deeppacketinspections.projectcalico.org -n hipstershop | grep -E "$1"; }
within "kubectl lists it as the tutorial does" 3 listed '^sample-dpi-frontend .*[0-9]+[smh]'

# --- what changes -----------------------------------------------------------------------------------

kc -n hipstershop label pod cart-6b64dc9665-abcde app=frontend --overwrite >/dev/null
within "a label moves the inspection within a second" 1 logged "cart-6b64dc9665-abcde on $(link_of cart-6b64dc9665-abcde): inspected"
mark; attack 10.65.1.8
within "of a pod that was left alone before" 3 alerted '.server.pod == "cart-6b64dc9665-abcde"'
kc label namespace hipstershop team=shop >/dev/null
inspection by-team 'pcns.team == "shop"'
within "labels of the namespace select, too" 3 logged "frontend-6b64dc9665-97687 on cali047739587bc: inspected for hipstershop/by-team, hipstershop/sample-dpi-frontend"
mark; attack 10.65.1.9
within "each resource gets its event" 3 alerted '.rule.sid == 21562' 2
kc -n hipstershop delete deeppacketinspections.projectcalico.org by-team >/dev/null
within "a deleted resource selects nobody" 3 logged "frontend-6b64dc9665-97687 on cali047739587bc: inspected for hipstershop/sample-dpi-frontend"
kc -n hipstershop label pod cart-6b64dc9665-abcde app=cart --overwrite >/dev/null
within "a label that is gone ends the inspection" 1 logged "cart-6b64dc9665-abcde on $(link_of cart-6b64dc9665-abcde): no longer"

# --- what goes wrong --------------------------------------------------------------------------------

# What the API server cannot refuse is told in the status.
kc -n hipstershop patch deeppacketinspections.projectcalico.org sample-dpi-frontend --type=merge -p '{"spec":{"selector":"app == \"frontend\" &&"}}' >"$work/patched" 2>&1
if grep -q 'Invalid' "$work/patched"; then ok "a selector that cannot be read is refused"; else
  within "a selector that cannot be read is told in the status" 15 status sample-dpi-frontend '.[] | select(.errorConditions[0].message | test("selector"))'
  inspection sample-dpi-frontend 'app == "frontend"'
fi
within "and gone from it once it is mended" 15 status sample-dpi-frontend '.[] | select(.node == "node-1" and .active.success and (.errorConditions // [] | length) == 0)'
pod frontend-6b64dc9665-nolink 5 frontend node-1
within "a pod whose interface never appears is told" 15 status sample-dpi-frontend '.[] | select((.active.success // false | not) and (.errorConditions[0].message | test("frontend-6b64dc9665-nolink: no interface leads to it")))'
mark; attack 10.65.1.9
within "while others are inspected" 3 alerted '.rule.sid == 21562'
kc -n hipstershop delete pod frontend-6b64dc9665-nolink --force --grace-period=0 >/dev/null 2>&1
within "and no longer when it is gone" 25 status sample-dpi-frontend '.[] | select(.node == "node-1" and .active.success and (.errorConditions // [] | length) == 0)'
# --- rules of the cluster, and Tapir's own resource ---------------------------------------------------

rules_of() {  # NAME LABEL SID [MORE]
  apply <<YAML
apiVersion: v1
kind: $1
metadata: {name: $2, namespace: tapir-agents, labels: {tapir.dev/rules: "$3"}}
$([ "$1" = Secret ] && echo stringData || echo data):
  x.rules: |
    alert http ( msg:"$2"; flow:to_server,established; http_client_body; content:"smk=",depth 4; sid:$4; )
    $5
YAML
}
rules_of ConfigMap own-rules true 101 'alert nonsense'
within "rules of a ConfigMap join those of the node" 10 logged 'rules reloaded: 2 rules \(1 rejected'
mark; attack 10.65.1.9
within "and hold" 3 alerted '.rule.sid == 101 and .inspection.name == "sample-dpi-frontend"'
within "the status has the place of the rule that cannot be used" 15 status sample-dpi-frontend '.[] | select(.active.success and (.errorConditions[0].message | test("^rule left out: configmap/own-rules/x.rules:2:[0-9]+: ")))'
rules_of ConfigMap own-rules true 101 ''
within "and no longer once it is mended" 25 status sample-dpi-frontend '.[] | select(.active.success and (.errorConditions // [] | length) == 0)'
rules_of Secret paid-rules named 202 ''
apply <<'YAML'
apiVersion: v1
kind: Secret
metadata: {name: private, namespace: tapir-agents}
stringData: {x.rules: "no rules at all"}
---
apiVersion: tapir.dev/v1alpha1
kind: Inspection
metadata: {name: strict}
spec:
  workloads: {namespaceSelector: 'projectcalico.org/name == "hipstershop"', selector: 'app == "frontend"'}
  rules:
    bundled: false
    sources:
    - {name: paid, secret: {name: paid-rules}}
    - {name: private, secret: {name: private}}
    - {name: image, oci: {reference: "10.240.0.4:1/team/rules@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}
YAML
within "an Inspection has rules of its own" 10 logged 'frontend-6b64dc9665-97687 on cali047739587bc, with rules of its own: inspected for strict'
mark; attack 10.65.1.9
within "from a Secret" 3 alerted '.rule.sid == 202 and .inspection.name == "strict"'
own_status() { kc get inspections.tapir.dev "$1" -o json | jq -ce ".status.nodes // [] | $2"; }
within "its status has the node's report" 15 own_status strict '.[] | select(.node == "node-1" and .ready and .endpoints == {selected: 1, attached: 1} and .rules.loaded == 1 and .observedGeneration == 1)'
within "and that a Secret without the label is not read" 3 own_status strict '.[].errors[].message | select(. == "secret/private is not in Tapir\u0027s namespace, or lacks the label tapir.dev/rules")'
within "and why a registry gives no rules" 15 own_status strict '.[].errors[].message | select(test("^rules of oci://10.240.0.4:1/team/rules: 10.240.0.4:1: .*refused.*; it has given no rules yet$"))'
if kc get inspections.tapir.dev strict -o json --show-managed-fields | jq -e '.metadata.managedFields[] | select(.manager == "tapir-agent-node-1" and .operation == "Apply" and .subresource == "status")' >/dev/null; then ok "which the node owns"; else bad "which the node owns"; fi
kc patch inspections.tapir.dev strict --type=merge -p '{"spec":{"nodeSelector":"kubernetes.io/hostname == \"elsewhere\""}}' >/dev/null
within "a selector of other nodes ends it here" 5 logged 'frontend-6b64dc9665-97687 on cali047739587bc, with rules of its own: no longer'
kc delete inspections.tapir.dev strict >/dev/null
kc -n tapir-agents delete configmap/own-rules >/dev/null
within "a ConfigMap that is gone takes its rules along" 10 logged 'rules reloaded: 1 rules \(0 rejected'

kill -9 "$agent_pid"; wait "$agent_pid" 2>/dev/null
agent node-1 9097
within "killed and started again it inspects" 10 eval '[ "$(grep -c "frontend-6b64dc9665-97687 on cali047739587bc: inspected" "$log")" -ge 4 ]'
mark; attack 10.65.1.9
within "as before" 3 alerted '.rule.sid == 21562'
kill -TERM "$agent_pid"; wait "$agent_pid" 2>/dev/null
within "an agent that ends says in the status that nothing is inspected" 5 status sample-dpi-frontend '.[] | select(.node == "node-1" and (.active.success // false | not) and (.errorConditions | last | .message | test("has ended")))'
mkdir "$work/broken"; echo 'alert nonsense' >"$work/broken/local.rules"
: >"$log"
agent node-1 9097 "$work/broken"
within "an agent whose rules are all broken goes on, and says why nothing is inspected" 10 logged 'nothing is inspected until there are rules: no rule to run'
within "so does the status, with the place" 15 status sample-dpi-frontend '.[] | select((.active.success // false | not) and ([.errorConditions[].message] | any(test("^no rules: ")) and any(test("local.rules:1:"))))'
rules_of ConfigMap late-rules true 103 ''
within "rules that come later are used" 15 status sample-dpi-frontend '.[] | select(.node == "node-1" and .active.success)'
mark; attack 10.65.1.9
within "and raise alerts" 3 alerted '.rule.sid == 103'
kc -n tapir-system delete configmap/late-rules >/dev/null
kill -9 "$agent_pid"; wait "$agent_pid" 2>/dev/null
kc get clusterrole tapir-agent -o json | jq '.rules |= map(.resources -= ["pods"])' | kc replace -f - >/dev/null
: >"$log"
agent node-1 9097
within "without the right to pods the status says so, and not that all is well" 15 status sample-dpi-frontend '.[] | select((.active.success // false | not) and ([.errorConditions[].message] | any(test("may not list and watch pods"))))'
within "nor is the agent ready" 5 health_says readiness 503
in_metrics() { in_node curl -s http://127.0.0.1:9097/metrics | grep -qE "$1"; }
within "metrics have it, too" 5 in_metrics '^tapir_kinds_denied\{kind="pods"\} 1'
kc apply -f "$here/../deploy/kubernetes/agent-rbac.yaml" >/dev/null
within "with it all is well again" 25 status sample-dpi-frontend '.[] | select(.node == "node-1" and .active.success and (.errorConditions // [] | length) == 0)'
within "and the agent is ready" 5 health_says readiness 200
kc delete clusterrolebinding tapir-agent >/dev/null
kill -9 "$agent_pid"; wait "$agent_pid" 2>/dev/null
: >"$log"
agent node-1 9097
within "without permissions it says which verbs on what" 10 logged "may not list and watch pods: the agent's service account needs get, list and watch on them"
kc apply -f "$here/../deploy/kubernetes/agent-rbac.yaml" >/dev/null
within "and goes on once it has them" 15 logged "frontend-6b64dc9665-97687 on cali047739587bc: inspected"
kc -n hipstershop delete deeppacketinspections.projectcalico.org sample-dpi-frontend >/dev/null
within "with the last resource the inspection ends" 3 logged "frontend-6b64dc9665-97687 on cali047739587bc: no longer"
kill -TERM "$agent_pid"; wait "$agent_pid"; code=$?
if [ "$code" = 0 ]; then ok "it ends in order"; else bad "it ends in order (exit $code)"; fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
