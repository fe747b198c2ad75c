#!/usr/bin/env bash
# `tapir operator` in a cluster: a real API server with its controllers, installed as people install it, asked with kubectl.
#
# usage: tests/operator.sh BINARY CLUSTER
#
# CLUSTER is the binary `tapir-cluster`; TAPIR_ENVTEST names the folders of its programs. No pod ever runs here: what is tested is
# which objects there are, and what is said. One line per check, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
cluster=$(realpath -e "$2") || exit 2
command -v jq >/dev/null || { echo "operator.sh: skipped: jq is not installed"; exit 0; }
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-operator.XXXXXX")
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
passed=0 failed=0 log=$work/one.log
: >"$log"

ok() { passed=$((passed + 1)); printf 'ok      %s\n' "$1"; }
bad() {
  failed=$((failed + 1)); printf 'FAILED  %s\n' "$1"
  tail -n 6 "$log" | cut -c1-300 | sed 's/^/        log: /'
}
# WHAT SECONDS COMMAND…: the command succeeds within that time.
within() {
  local what=$1 end=$(($(date +%s%N) / 1000000 + $2 * 1000))
  shift 2
  while ! "$@" >"$work/said" 2>&1; do
    [ $(($(date +%s%N) / 1000000)) -lt $end ] || { bad "$what"; tail -n 3 "$work/said" | sed 's/^/        said: /'; return; }
    sleep 0.1
  done
  ok "$what"
}
# WHAT SECONDS COMMAND…: it does not succeed in that time.
never() {
  local what=$1 end=$(($(date +%s%N) / 1000000 + $2 * 1000))
  shift 2
  while [ $(($(date +%s%N) / 1000000)) -lt $end ]; do
    if "$@" >"$work/said" 2>&1; then bad "$what"; return; fi
    sleep 0.2
  done
  ok "$what"
}
logged() { grep -qE -- "$1" "$log"; }

# --- a cluster ---------------------------------------------------------------------------------------

. "$here/kubernetes-api.sh"
begin_cluster "$cluster" --controllers
await_cluster
export KUBECONFIG=$admin
kc() { "$kubectl" "$@"; }
# RESOURCE JQ…: an object as JSON satisfies an expression.
is() { local expression=$1; shift; kc get "$@" -o json | jq -e "$expression" >/dev/null; }
gone() { ! kc get "$@" >/dev/null 2>&1; }
operator() {  # NAME PORT [OPTION…]: as the service account, with what it may do and no more
  local name=$1 port=$2
  shift 2
  account_config tapir-system tapir-operator "$work/$name.kubeconfig"
  "$tapir" operator --kubeconfig "$work/$name.kubeconfig" --identity "$name" --health "127.0.0.1:$port" "$@" >>"$work/$name.log" 2>&1 &
  operator_pid=$!
  pids+=("$operator_pid")
}
inspection() {  # VERSION NAME SELECTOR
  kc apply -f - <<YAML
apiVersion: $1
kind: DeepPacketInspection
metadata: {name: $2, namespace: hipstershop}
spec: {selector: '$3'}
YAML
}

# --- installation ------------------------------------------------------------------------------------

# Somebody else's definition, a little different from ours.
sed -e '/tapir.dev\/install/d; /^  annotations:$/d; s/app.kubernetes.io\/name: tapir/vendor: somebody/' \
  "$here/../deploy/crds/alertexceptions.projectcalico.org.yaml" >"$work/foreign.yaml"
kc create -f "$work/foreign.yaml" >/dev/null
"$tapir" install --print >"$work/install.yaml" 2>"$work/install.log" && ok "what is to be installed is printed" || bad "what is to be installed is printed"
if grep -q 'alertexceptions.projectcalico.org: the cluster has it from somebody else' "$work/install.log" &&
  ! grep -q 'name: alertexceptions.projectcalico.org' "$work/install.yaml"; then
  ok "a definition that somebody else owns is named and left out"
else bad "a definition that somebody else owns is named and left out"; cat "$work/install.log"; fi
grep -q 'name: deeppacketinspections.projectcalico.org' "$work/install.yaml" && ok "an absent one is printed" || bad "an absent one is printed"
kc create namespace tigera-dpi >/dev/null
"$tapir" install --print >"$work/beside.yaml" 2>"$work/beside.log"
if grep -q 'namespace tigera-dpi belongs to somebody who did not label it: it is used, and left as it is; use --compat none' "$work/beside.log" &&
  [ "$(grep -cx '  name: tigera-dpi' "$work/beside.yaml")" = 0 ] && grep -qx '  namespace: tigera-dpi' "$work/beside.yaml"; then
  ok "a namespace tigera-dpi that somebody else has is said, and not printed"
else bad "a namespace tigera-dpi that somebody else has is said, and not printed"; cat "$work/beside.log"; fi
# Objects in a namespace that only the same stream makes cannot be tried before it is there.
for namespace in tapir-system tigera-intrusion-detection; do kc create namespace "$namespace" >/dev/null; done
kc label namespace tigera-dpi app.kubernetes.io/managed-by=tapir-operator >/dev/null
kc apply --dry-run=server --validate=strict -f "$work/install.yaml" >"$work/dry" 2>&1 && ok "the API server would take all of it" || { bad "the API server would take all of it"; cat "$work/dry"; }
kc apply -f "$work/install.yaml" >"$work/applied" 2>&1 && ok "and takes it" || { bad "and takes it"; cat "$work/applied"; }
grep -q 'would violate PodSecurity' "$work/applied" && { bad "without a warning of the operator's pod"; cat "$work/applied"; } || ok "without a warning of the operator's pod"
"$tapir" install >"$work/again" 2>&1 && ok "tapir install does the same without kubectl" || { bad "tapir install does the same without kubectl"; cat "$work/again"; }
kc create namespace hipstershop >/dev/null

operator one 9098
within "the operator leads" 20 logged 'one leads'
within "is ready" 20 eval '[ "$(curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:9098/readiness)" = 200 ]'
within "says what it left as it was" 10 logged 'alertexceptions.projectcalico.org: found, somebody else.s, left as it is'
taken=securityeventwebhooks.projectcalico.org
sed -e '/tapir.dev\/install/d; /^  annotations:$/d; /^  labels:$/d; /app.kubernetes.io\/name/d; 0,/description: /s//description: "The vendor says: "/' \
  "$here/../deploy/crds/$taken.yaml" | sed -E 's/^( *description: "The vendor says: ").*/\1/' >"$work/taken.yaml"
kc apply --server-side --force-conflicts --field-manager operator -f "$work/taken.yaml" >"$work/said" 2>&1 || cat "$work/said"
within "a definition that somebody takes over is given up, and that is said" 10 logged "$taken: found, taken over by operator, who writes its spec, left as it is"
never "nobody fights over it" 3 eval '! kc get crd $taken -o yaml | grep -q "The vendor says"'
is '.metadata.labels.vendor == "somebody" and (.metadata.annotations // {} | has("tapir.dev/install") | not)' crd alertexceptions.projectcalico.org && ok "and left it so" || bad "and left it so"

# --- before anything is to be inspected -----------------------------------------------------------

is '.metadata.labels["pod-security.kubernetes.io/enforce"] == "restricted"' namespace tapir-system && ok "its namespace takes nothing that could be refused" || bad "its namespace takes nothing that could be refused"
within "the manager is there" 10 kc -n tapir-system get statefulset/tapir-manager service/tapir-manager serviceaccount/tapir-manager networkpolicy/tapir-manager secret/tapir-agent-token secret/tapir-manager-tls
restricted_manager() { kc -n tapir-system get statefulset tapir-manager -o json | jq '{apiVersion: "v1", kind: "Pod", metadata: {name: "try", namespace: "tapir-system"}, spec: (.spec.template.spec | .volumes += [{name: "data", emptyDir: {}}])}' | kc create --dry-run=server -f -; }
within "which admits the manager's pod" 5 restricted_manager
within "its certificate is for its service" 5 eval 'kc -n tapir-system get secret tapir-manager-tls -o jsonpath="{.data.tls\.crt}" | base64 -d | openssl x509 -noout -ext subjectAltName | grep -q DNS:tapir-manager.tapir-system.svc'
never "no agents without something to inspect" 2 kc -n tigera-dpi get daemonset tigera-dpi
within "the namespace lets agents in" 5 is '.metadata.labels["pod-security.kubernetes.io/enforce"] == "privileged" and .metadata.labels.name == "tigera-dpi"' namespace tigera-dpi
within "kubectl get tapirstatus says so" 10 is '.status.conditions[] | select(.type == "Available" and .status == "True" and .reason == "NothingToInspect")' tapirstatus inspection

# --- the tutorial's steps ----------------------------------------------------------------------------

if [ -r "${TAPIR_SHARED:-$here/../../shared}/spec/calico/examples/sample-dpi-frontend.yaml" ]; then
  examples=${TAPIR_SHARED:-$here/../../shared}/spec/calico/examples
  kc apply -f "$examples/sample-dpi-frontend.yaml" >"$work/said" 2>&1 && ok "the tutorial's resource is taken" || bad "the tutorial's resource is taken"
else
  echo "operator.sh: the tutorial's own files are not here; the same resources are written by hand"
  examples=
  inspection projectcalico.org/v3 sample-dpi-frontend 'app == "frontend"' >/dev/null
fi
within "the DaemonSet appears" 5 kc -n tigera-dpi get daemonset tigera-dpi
listed() { kc get deeppacketinspections.crd.projectcalico.org -n hipstershop | grep -E '^sample-dpi-frontend '; }
within "the stored form lists it" 5 listed
asked() { kc get deeppacketinspections -n hipstershop | grep -E '^sample-dpi-frontend '; }
within "and so does the name alone" 5 asked
within "requests and limits are the defaults" 5 is '.spec.template.spec.containers[0].resources == {limits: {cpu: "1", memory: "1Gi"}, requests: {cpu: "100m", memory: "100Mi"}}' -n tigera-dpi daemonset tigera-dpi
if [ -n "$examples" ]; then
  kc apply -f "$examples/resource-dpi.yaml" >"$work/said" 2>&1 && ok "the tutorial's IntrusionDetection is taken" || { bad "the tutorial's IntrusionDetection is taken"; cat "$work/said"; }
else
  kc apply -f - >/dev/null <<'YAML'
apiVersion: operator.tigera.io/v1
kind: IntrusionDetection
metadata: {name: tigera-secure}
spec: {componentResources: [{componentName: DeepPacketInspection, resourceRequirements: {limits: {cpu: "1", memory: 1Gi}, requests: {cpu: 100m, memory: 100Mi}}}]}
YAML
fi
kc apply -f - >"$work/said" 2>&1 <<'YAML'
apiVersion: operator.tigera.io/v1
kind: IntrusionDetection
metadata: {name: other}
spec: {}
YAML
grep -q "resource name must be 'tigera-secure'" "$work/said" && ok "a second one is refused by its name" || bad "a second one is refused by its name"
within "it has conditions" 10 is '[.status.conditions[].type] | contains(["Ready", "Progressing", "Degraded"])' intrusiondetection tigera-secure
kc patch intrusiondetection tigera-secure --type=merge -p '{"spec":{"componentResources":[{"componentName":"DeepPacketInspection","resourceRequirements":{"limits":{"memory":"2Gi"}}}]}}' >/dev/null
within "other limits reach the agents to the letter" 5 is '.spec.template.spec.containers[0].resources == {limits: {memory: "2Gi"}}' -n tigera-dpi daemonset tigera-dpi
kc patch intrusiondetection tigera-secure --type=merge -p '{"spec":{"componentResources":[]}}' >/dev/null
within "an empty list means the defaults, and they are written out" 5 is '.spec.componentResources[0].resourceRequirements.limits.memory == "1Gi"' intrusiondetection tigera-secure
kc patch intrusiondetection tigera-secure --type=merge -p '{"spec":{"deepPacketInspectionDaemonset":{"spec":{"template":{"spec":{"initContainers":[{"name":"snort-rules","image":"registry.example/rules:1"}]}}}}}}' >/dev/null
within "rules of one's own come from their container, which may do as it likes" 5 is '.spec.template.spec.initContainers[] | select(.name == "snort-rules" and .image == "registry.example/rules:1" and (has("securityContext") or has("command") or has("env") | not) and .volumeMounts == [{mountPath: "/usr/etc/snort/rules", name: "snort-cache"}])' -n tigera-dpi daemonset tigera-dpi
within "and the agent reads them" 5 is '.spec.template.spec.containers[0] | (.args | index("--snort-rules=/usr/etc/snort/rules")) and (.volumeMounts[] | select(.name == "snort-cache" and .readOnly))' -n tigera-dpi daemonset tigera-dpi
is '.spec.template.spec | .hostNetwork and (.hostPID // false | not) and .dnsPolicy == "ClusterFirstWithHostNet" and .nodeSelector == {"kubernetes.io/os": "linux"} and (.tolerations | length) == 3 and .terminationGracePeriodSeconds == 10' -n tigera-dpi daemonset tigera-dpi && ok "pods are everywhere, on the host's network, and end in order" || bad "pods are everywhere, on the host's network, and end in order"
[ "$(kc auth can-i get secrets/tapir-authority -n tapir-system --as system:serviceaccount:tigera-dpi:tigera-dpi)" = no ] && ok "agents may not read the manager's authority" || bad "agents may not read the manager's authority"
is '.spec.template.spec.containers[0].securityContext | .capabilities == {add: ["NET_RAW"], drop: ["ALL"]} and .privileged == false and .readOnlyRootFilesystem and .runAsNonRoot' -n tigera-dpi daemonset tigera-dpi && ok "with NET_RAW and nothing else" || bad "with NET_RAW and nothing else"

# --- both forms of a resource --------------------------------------------------------------------------

inspection crd.projectcalico.org/v1 by-stored 'app == "cart"' >/dev/null
within "what is applied as the stored form is served, too" 5 is '.spec.selector == "app == \"cart\""' -n hipstershop deeppacketinspections.projectcalico.org by-stored
inspection projectcalico.org/v3 by-stored 'app == "shop"' >/dev/null 2>&1
within "an edit of one reaches the other" 5 is '.spec.selector == "app == \"shop\""' -n hipstershop deeppacketinspections.crd.projectcalico.org by-stored
kc -n hipstershop patch deeppacketinspections.crd.projectcalico.org by-stored --type=merge -p '{"spec":{"selector":"all()"}}' >/dev/null
within "and the other way round" 5 is '.spec.selector == "all()"' -n hipstershop deeppacketinspections.projectcalico.org by-stored
kc apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {kubernetes.io/os: linux}}
YAML
ago() { date -u -d "@$(($(date +%s) - 60 * $1))" +%Y-%m-%dT%H:%M:%SZ; }
say_of_nodes() {  # TIME: as agents do
  kc -n hipstershop patch deeppacketinspections.projectcalico.org by-stored --subresource=status --type=merge -p "{\"status\":{\"nodes\":[{\"node\":\"node-1\",\"active\":{\"success\":true,\"lastUpdated\":\"$1\"},\"endpoints\":{\"selected\":3,\"attached\":2}},{\"node\":\"left-long-ago\",\"active\":{\"success\":true}}]}}" >/dev/null
}
say_of_nodes "$(ago 0)"
within "entries of nodes that are gone are taken out" 5 is '[.status.nodes[].node] == ["node-1"]' -n hipstershop deeppacketinspections.projectcalico.org by-stored
within "the status stands on both forms" 5 is '[.status.nodes[].node] == ["node-1"]' -n hipstershop deeppacketinspections.crd.projectcalico.org by-stored
column() { kc -n hipstershop get "$1" by-stored | grep -qE " $2 "; }
within "a table shows how many nodes are ready and how many endpoints are attached" 5 column deeppacketinspections.projectcalico.org '1/1 +2/3'
within "of both" 5 column deeppacketinspections.crd.projectcalico.org '1/1 +2/3'
within "a condition says what all nodes come to" 5 is '.status.conditions[] | select(.type == "Ready" and .status == "True" and .reason == "Inspecting" and .message == "2 of 3 endpoints are attached")' -n hipstershop deeppacketinspections.projectcalico.org by-stored
within "of both forms, too" 5 is '.status.conditions[] | select(.type == "Ready" and .reason == "Inspecting")' -n hipstershop deeppacketinspections.crd.projectcalico.org by-stored
inspection projectcalico.org/v3 nobody 'app == "no-such"' >/dev/null 2>&1
within "a selector that matches nothing is told" 5 is '.status.conditions[] | select(.type == "Ready" and .status == "Unknown" and .reason == "NothingSelected")' -n hipstershop deeppacketinspections.projectcalico.org nobody
kc -n hipstershop delete deeppacketinspections.projectcalico.org nobody >/dev/null
counted() {  # SECONDS-AGO: as the manager does
  kc -n tapir-system patch configmap tapir-alert-counts --type=merge \
    -p "{\"data\":{\"alerts24h\":\"{\\\"at\\\":$(($(date +%s) - $1)),\\\"alerts\\\":{\\\"hipstershop/by-stored\\\":7,\\\"reported\\\":4}}\"}}" >/dev/null
}
counted 0
within "and alerts, as the manager counts them" 5 column deeppacketinspections.projectcalico.org '2/3 +7'
within "of both forms" 5 column deeppacketinspections.crd.projectcalico.org '2/3 +7'
counted 3600
say_of_nodes "$(ago 12)"
is_silent() { is '.status.nodes[0] | (.active.success // false | not) and .endpoints.attached == 0 and (.errorConditions | length) == 1 and (.errorConditions[0].message | startswith("the agent of this node has not reported since 20"))' -n hipstershop "$1" by-stored; }
within "the success of an agent that was not heard for long is taken back" 5 is_silent deeppacketinspections.projectcalico.org
within "on both forms" 5 is_silent deeppacketinspections.crd.projectcalico.org
within "and is none in tables" 5 column deeppacketinspections.projectcalico.org '0/1 +0/3'
say_of_nodes "$(ago -60)"
within "what it says then holds; a clock that goes wrong is not judged" 5 column deeppacketinspections.projectcalico.org '1/1 +2/3'
within "old counts are none" 5 is '.metadata.annotations | has("tapir.dev/alerts-24h") | not' -n hipstershop deeppacketinspections.projectcalico.org by-stored
counted 0
kc -n hipstershop delete deeppacketinspections by-stored >/dev/null
kc apply -f - >/dev/null <<'YAML'
apiVersion: tapir.dev/v1alpha1
kind: Inspection
metadata: {name: reported}
spec: {workloads: {}}
YAML
report() {  # NODE READY MINUTES-AGO: as its agent does
  kc apply --server-side --subresource=status --field-manager "tapir-agent-$1" -f - >/dev/null <<YAML
apiVersion: tapir.dev/v1alpha1
kind: Inspection
metadata: {name: reported}
status: {nodes: [{node: $1, observedGeneration: 1, ready: $2, endpoints: {selected: 1, attached: 1}, rules: {loaded: 3, rejected: 0, ruleSet: "0"}, packets: 0, drops: 0, lastUpdated: "$(ago "$3")"}]}
YAML
}
report node-1 true 0; report left-long-ago false 0
within "reports of nodes that are gone are taken out of an Inspection" 5 is '[.status.nodes[].node] == ["node-1"]' inspections.tapir.dev reported
within "and do not count" 5 is '.status.summary.nodes == "1/1"' inspections.tapir.dev reported
within "its alerts do" 5 is '.status.summary.alerts24h == 4' inspections.tapir.dev reported
owner() { kc get inspections.tapir.dev reported -o json --show-managed-fields | jq -e '[.metadata.managedFields[] | select(.fieldsV1 | tostring | contains("node-1")) | .manager] == ["tapir-agent-node-1"]' >/dev/null; }
owner && ok "what the others said is still theirs" || bad "what the others said is still theirs"
report node-1 true 12
within "a silent agent's report is not ready" 5 is '.status.nodes[0] | .ready == false and (.errors[-1].message | startswith("the agent of this node has not reported since 20"))' inspections.tapir.dev reported
within "nor is the inspection, which says why" 5 is '.status.summary.nodes == "0/1" and (.status.conditions[] | select(.type == "Ready") | .status == "False" and (.message | contains("has not reported since 20")))' inspections.tapir.dev reported
report node-1 true 0
within "its next word replaces all of that" 5 is '.status.summary.nodes == "1/1" and .status.nodes[0].ready and (.status.nodes[0] | has("errors") | not)' inspections.tapir.dev reported
owner && ok "and is its own" || bad "and is its own"
kc delete inspections.tapir.dev reported >/dev/null
both_gone() { gone -n hipstershop deeppacketinspections.projectcalico.org by-stored && gone -n hipstershop deeppacketinspections.crd.projectcalico.org by-stored; }
within "deleted by the name alone both are gone" 5 both_gone

# --- drift -----------------------------------------------------------------------------------------------

kc -n tigera-dpi patch daemonset tigera-dpi --type=json -p '[{"op":"replace","path":"/spec/template/spec/containers/0/securityContext/privileged","value":true},{"op":"replace","path":"/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation","value":true}]' >/dev/null
within "an edit of the DaemonSet is undone" 5 is '.spec.template.spec.containers[0].securityContext.privileged == false' -n tigera-dpi daemonset tigera-dpi
kc delete clusterrolebinding tigera-dpi >/dev/null
within "a deleted binding comes back" 5 kc get clusterrolebinding tigera-dpi
kc -n tapir-system delete service tapir-manager >/dev/null
within "a deleted service comes back" 5 kc -n tapir-system get service tapir-manager
kc patch clusterrole tigera-dpi --type=json -p '[{"op":"add","path":"/rules/-","value":{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}}]' >/dev/null
within "rights that somebody added are taken away" 5 is '[.rules[].resources[]] | index("secrets") | not' clusterrole tigera-dpi
token=$(kc -n tapir-system get secret tapir-agent-token -o jsonpath='{.data.token}')
kc -n tapir-system delete secret tapir-agent-token >/dev/null
renewed() { local new; new=$(kc -n tigera-dpi get secret tigera-dpi -o jsonpath='{.data.token}'); [ -n "$new" ] && [ "$new" != "$token" ]; }
within "a token that was deleted is made anew, and agents get it" 10 renewed

# --- what is not ours ------------------------------------------------------------------------------------

kc -n tigera-dpi label configmap tigera-dpi app.kubernetes.io/managed-by=somebody --overwrite >/dev/null
within "an object that somebody else took is left to him, and told" 10 logged 'ConfigMap tigera-dpi/tigera-dpi belongs to whoever calls himself somebody and is left alone'
within "as a condition" 10 is '.status.conditions[] | select(.type == "Degraded" and .status == "True" and .reason == "NotOurs")' tapirstatus inspection
kc -n tigera-dpi label configmap tigera-dpi app.kubernetes.io/managed-by=tapir-operator --overwrite >/dev/null
kc label namespace tigera-dpi app.kubernetes.io/managed-by=somebody pod-security.kubernetes.io/enforce=restricted --overwrite >/dev/null 2>&1
within "a namespace that somebody took over is used, and that is said" 10 logged 'namespace tigera-dpi belongs to whoever calls himself somebody: it is used, and left as it is; use --compat none'
within "that it refuses agents is told" 10 logged 'namespace tigera-dpi refuses the agents: its label pod-security.kubernetes.io/enforce is restricted'
kc -n tigera-dpi delete pods --all --force --grace-period=0 >/dev/null 2>&1
within "and so is each pod that it refuses, in the cluster's words" 40 logged 'pods of DaemonSet tigera-dpi/tigera-dpi are refused: .*violates PodSecurity'
within "as a condition, too" 10 is '.status.conditions[] | select(.type == "Degraded" and .status == "True")' tapirstatus inspection
kc label namespace tigera-dpi app.kubernetes.io/managed-by=tapir-operator --overwrite >/dev/null
within "the label comes back where the namespace is ours" 10 is '.metadata.labels["pod-security.kubernetes.io/enforce"] == "privileged"' namespace tigera-dpi
within "and over when it is ours again" 90 is '.status.conditions[] | select(.type == "Degraded" and .status == "False")' tapirstatus inspection
told() { kc get events -n default | grep -q 'Created.*tapirstatus/inspection.*DaemonSet tigera-dpi/tigera-dpi'; }
within "kubectl get events tells what was done" 5 told
kc -n tigera-dpi create configmap tapir-sinks --from-literal=tapir.toml='[[delivery.sink]]
name = "file"
file = { path = "/var/lib/tapir/alerts.log" }' >/dev/null
within "sinks of one's own reach the agents" 10 eval 'kc -n tigera-dpi get configmap tigera-dpi -o jsonpath="{.data.tapir\.toml}" | grep -q /var/lib/tapir/alerts.log'

# --- operators come and go --------------------------------------------------------------------------------

first=$operator_pid
operator two 9099
log=$work/two.log; within "a second operator waits" 10 logged 'waiting: one leads'
kill -9 "$first"; wait "$first" 2>/dev/null
within "and leads when the first one is killed" 30 logged 'two leads'
kc -n tigera-dpi delete serviceaccount tigera-dpi >/dev/null
within "it keeps what the first one made" 5 kc -n tigera-dpi get serviceaccount tigera-dpi
second=$operator_pid
operator three 9098
log=$work/three.log; within "a third one waits" 10 logged 'waiting: two leads'
kill -TERM "$second"; wait "$second"; code=$?
[ "$code" = 0 ] && ok "one that is told to end gives up the lead" || bad "one that is told to end gives up the lead (exit $code)"
within "so that the next need not wait for long" 6 logged 'three leads'

# --- the end ------------------------------------------------------------------------------------------------

kc -n hipstershop delete deeppacketinspections.projectcalico.org sample-dpi-frontend >/dev/null
within "with the last resource the agents go" 10 gone -n tigera-dpi daemonset tigera-dpi
within "with their rights" 5 gone clusterrole tigera-dpi
kc get namespace tigera-dpi >/dev/null && ok "the namespace stays" || bad "the namespace stays"
kill -TERM "$operator_pid"; wait "$operator_pid"
"$tapir" install --compat none >"$work/again" 2>&1 && ok "Tapir's own names are installed" || { bad "Tapir's own names are installed"; cat "$work/again"; }
operator four 9098 --compat none
log=$work/four.log; within "with Tapir's own names" 20 logged 'four leads'
kc apply -f - >/dev/null <<'YAML'
apiVersion: tapir.dev/v1alpha1
kind: Inspection
metadata: {name: all-of-shop}
spec: {workloads: {namespaceSelector: projectcalico.org/name == "hipstershop"}}
YAML
within "the DaemonSet is tapir-agent, for our own resource, too" 10 kc -n tapir-agents get daemonset tapir-agent
may() { [ "$(kc auth can-i "$1" "$2" -n "$3" --as "system:serviceaccount:tapir-agents:tapir-agent")" = "$4" ]; }
within "an agent may read rules of its namespace" 5 may get secrets/own-rules tapir-agents yes
reads_none() { local secret verb; for secret in tapir-authority tapir-manager-tls tapir-agent-token; do may get "secrets/$secret" tapir-system no || return; done; for verb in list watch; do may $verb secrets tapir-system no || return; done; }
kc -n tapir-system get secret tapir-authority tapir-manager-tls tapir-agent-token >/dev/null && reads_none && ok "and no Secret of operator and manager" || bad "and no Secret of operator and manager"
within "which says that nothing is selected yet" 10 is '.status.conditions[] | select(.type == "Ready" and .reason == "NothingSelected")' inspection all-of-shop
kc delete crd inspections.tapir.dev >/dev/null
within "a definition that was deleted comes back" 15 kc get crd inspections.tapir.dev
kc delete clusterrolebinding tapir-operator >/dev/null
kc -n tapir-agents delete daemonset tapir-agent >/dev/null 2>&1
within "without permissions it says which verb on what" 40 logged 'cannot (get|list|watch|patch|create) resource'
kc apply -f "$work/install.yaml" >/dev/null 2>&1
kill -0 "$operator_pid" 2>/dev/null && ok "and lives" || bad "and lives"

# --- removal, in the order that docs/kubernetes/install.md has ---------------------------------------------------

kc -n tapir-system delete deployment tapir-operator >/dev/null 2>&1
kill -TERM "$operator_pid"; wait "$operator_pid" 2>/dev/null   # which no controller here has made
"$tapir" install --print --compat none 2>/dev/null | kc delete --ignore-not-found --wait=false -f - >"$work/removed" 2>&1 && ok "what was installed is deleted" || { bad "what was installed is deleted"; cat "$work/removed"; }
kc delete clusterrolebindings,clusterroles -l app.kubernetes.io/managed-by=tapir-operator >"$work/removed" 2>&1 && ok "and what the operator made" || { bad "and what the operator made"; cat "$work/removed"; }
nothing_left() { [ -z "$(kc get crd -l app.kubernetes.io/name=tapir -o name | grep -v "$taken"; kc get clusterroles,clusterrolebindings -l app.kubernetes.io/part-of=tapir -o name)" ]; }
within "nothing of it is left in the cluster" 30 nothing_left
never "and nothing comes back" 3 eval '! nothing_left'
for namespace in tapir-system tapir-agents; do kc get namespace $namespace -o json 2>/dev/null | jq -e '.metadata.deletionTimestamp' >/dev/null || gone namespace $namespace || bad "namespace $namespace goes"; done
kc get crd alertexceptions.projectcalico.org "$taken" >/dev/null && ok "definitions of others stay" || bad "definitions of others stay"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
