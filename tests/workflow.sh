#!/usr/bin/env bash
# The tutorial's five steps, as a user takes them, on a real Kubernetes API: install, pick a workload, set resources, attack, read the alert, on the
# manager and in OpenSearch. Then what should not lose it: the agent and the manager killed, the API server cut off.
#
# usage: tests/workflow.sh BINARY CLUSTER
#
# CLUSTER is the binary `tapir-cluster`; TAPIR_ENVTEST names the folders of its programs. Needs root, nginx, curl, jq; without them it says so and ends
# with 0. TAPIR_OPENSEARCH=no leaves OpenSearch out. One line per check, then "N passed, N failed". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 5p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
cluster=$(realpath -e "$2") || exit 2
pod_namespace=hipstershop
. "$here/node.sh"
. "$here/kubelet.sh"
mkdir -p "$work/pods"
show() { printf '\n    $ %s\n' "$*"; }
shown() { sed 's/^/    /'; }

# --- a cluster with one node, in the node's network namespace --------------------------------------

. "$here/kubernetes-api.sh"
begin_cluster ip netns exec "$node" "$cluster" --controllers
search=${TAPIR_OPENSEARCH:-yes}
if [ "$search" = yes ]; then
  mkfifo "$work/hold-search"
  sleep 3600 >"$work/hold-search" & pids+=($!)
  ip netns exec "$node" "$here/opensearch/run.sh" <"$work/hold-search" >"$work/search" 2>"$work/search.log" & pids+=($!)
fi
await_cluster
kc() { in_node "$kubectl" --kubeconfig "$admin" "$@"; }
echo "10.240.0.4 tapir-manager.tapir-system.svc" >"$work/hosts"
if [ "$search" = yes ]; then
  for _ in $(seq 900); do grep -q '^http' "$work/search" && break; sleep 0.1; done
  url=$(grep '^http' "$work/search" | head -n 1)
  [ -n "$url" ] || { tail -n 5 "$work/search.log" >&2; echo "workflow.sh: no OpenSearch" >&2; exit 1; }
fi
examples=${TAPIR_SHARED:-$here/../../shared}/spec/calico/examples
if [ ! -r "$examples/sample-dpi-frontend.yaml" ]; then
  echo "workflow.sh: the tutorial's own files are not here; the same resources are written by hand"
  examples=$work
  printf 'apiVersion: projectcalico.org/v3\nkind: DeepPacketInspection\nmetadata:\n  name: sample-dpi-frontend\n  namespace: hipstershop\nspec:\n  selector: app == "frontend"' >"$work/sample-dpi-frontend.yaml"
  printf 'apiVersion: operator.tigera.io/v1\nkind: IntrusionDetection\nmetadata:\n  name: tigera-secure\nspec:\n  componentResources:\n  - componentName: DeepPacketInspection\n    resourceRequirements:\n      limits: {cpu: "1", memory: 1Gi}\n      requests: {cpu: 100m, memory: 100Mi}\n' >"$work/resource-dpi.yaml"
fi

# --- before: Tapir installed, a shop that runs --------------------------------------------------------

"$tapir" install --print --calico-crds always --image tapir:test 2>"$work/install.log" | kc apply -f - >"$work/applied" 2>&1 &&
  ok "tapir install --print | kubectl apply -f -" || { bad "tapir install --print | kubectl apply -f -"; cat "$work/applied"; }
kc apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {kubernetes.io/os: linux, kubernetes.io/hostname: node-1}}
YAML
kc create namespace hipstershop >/dev/null
until kc -n hipstershop get serviceaccount default >/dev/null 2>&1; do sleep 0.1; done

# APP NAMESPACE [ADDRESS]: the pod that a controller made, bound and run.
start_of() {
  local tries=0
  pod_name=''
  until [ -n "$pod_name" ] || [ $((tries += 1)) -gt 200 ]; do
    pod_name=$(kc -n "$2" get pods -l "k8s-app=$1" -o jsonpath='{.items[?(@.status.phase=="Pending")].metadata.name}' 2>/dev/null | cut -d' ' -f1)
    sleep 0.1
  done
  [ -n "$pod_name" ] || return 1
  bind_pod "$2" "$pod_name" node-1
  start_container "$2" "$pod_name" && pod_runs "$2" "$pod_name" "${3:-10.240.0.4}"
}
if start_of tapir-operator tapir-system 10.65.1.2; then ok "the operator's pod runs as its object says"; else bad "the operator's pod runs as its object says"; fi
operator_log=$work/$pod_name.log log=$operator_log
within "it leads" 20 logged ' leads$'
if start_of tapir-manager tapir-system 10.65.1.3; then ok "the manager's pod runs as its object says"; else bad "the manager's pod runs as its object says"; fi
manager_pod=$pod_name manager_pid=$container_pid
kc -n tapir-system get secret tapir-manager-tls -o jsonpath='{.data.ca\.crt}' | base64 -d >"$work/ca.crt"
within "it answers under the name of its service, with a certificate of the operator's authority" 20 in_node curl -fsS --cacert "$work/ca.crt" --resolve tapir-manager.tapir-system.svc:9443:10.240.0.4 https://tapir-manager.tapir-system.svc:9443/healthz
token=$(sed -n 's/^admin token: //p' "$work/$manager_pod.log")
[ -n "$token" ] && ok "its log has the token to sign in with" || { bad "its log has the token to sign in with"; tail -n 5 "$work/$manager_pod.log"; }
if [ "$search" = yes ]; then
  kc -n tigera-dpi create configmap tapir-sinks --from-literal=tapir.toml="[[delivery.sink]]
name = \"opensearch\"
[delivery.sink.elasticsearch]
url = \"$url\"
layout = \"calico\"
http = { allow_local = true }" >/dev/null
fi
api() { in_node curl -fsS --cacert "$work/ca.crt" --resolve tapir-manager.tapir-system.svc:9443:10.240.0.4 -H "Authorization: Bearer $token" "https://tapir-manager.tapir-system.svc:9443/api/v1/$1"; }
start_pod frontend-6b64dc9665-97687 9
start_pod cart-6b64dc9665-abcde 8
workload() {  # NAME NUMBER APP
  kc apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {namespace: hipstershop, name: $1, labels: {app: $3}}
spec: {nodeName: node-1, automountServiceAccountToken: false, containers: [{name: server, image: example.com/server}]}
YAML
  kc -n hipstershop patch pod "$1" --subresource=status --type=merge -p "{\"status\":{\"phase\":\"Running\",\"podIP\":\"10.65.1.$2\",\"podIPs\":[{\"ip\":\"10.65.1.$2\"},{\"ip\":\"fd00::$2\"}]}}" >/dev/null
}
workload frontend-6b64dc9665-97687 9 frontend
workload cart-6b64dc9665-abcde 8 cart
for number in 9 8; do within "the server of 10.65.1.$number answers" 5 in_node curl -gsS --max-time 1 "http://10.65.1.$number:8080/"; done

# --- step 1: pick the workload -------------------------------------------------------------------------

show kubectl apply -f sample-dpi-frontend.yaml
kc apply -f "$examples/sample-dpi-frontend.yaml" 2>&1 | tee "$work/step1" | shown
grep -q '^deeppacketinspection.projectcalico.org/sample-dpi-frontend created$' "$work/step1" && ok "step 1: the workload is picked" || bad "step 1: the workload is picked"

# --- step 2: resources -----------------------------------------------------------------------------------

show kubectl apply -f resource-dpi.yaml
kc apply -f "$examples/resource-dpi.yaml" 2>&1 | tee "$work/step2" | shown
grep -qE '^intrusiondetection.operator.tigera.io/tigera-secure (created|configured)$' "$work/step2" && ok "step 2: resources are set" || bad "step 2: resources are set"
resourced() { kc -n tigera-dpi get daemonset tigera-dpi -o json | jq -e '.spec.template.spec.containers[0].resources == {limits: {cpu: "1", memory: "1Gi"}, requests: {cpu: "100m", memory: "100Mi"}}'; }
within "the DaemonSet has them" 5 resourced

# --- step 3: what there is ---------------------------------------------------------------------------------

listed() { kc get deeppacketinspections.crd.projectcalico.org -n hipstershop | grep -qE '^sample-dpi-frontend '; }
within "step 3a: the stored form is listed" 5 listed
show kubectl get deeppacketinspections.crd.projectcalico.org -n hipstershop
kc get deeppacketinspections.crd.projectcalico.org -n hipstershop | shown
if start_of tigera-dpi tigera-dpi; then ok "the agent's pod runs as its object says, with NET_RAW and nobody's user"; else bad "the agent's pod runs as its object says"; fi
agent_pod=$pod_name agent_pid=$container_pid log=$work/$pod_name.log
ready() { [ "$(kc get pods -n tigera-dpi --no-headers | grep -cE '^tigera-dpi-[a-z0-9]{5} +1/1 +Running')" = 1 ]; }
within "step 3b: one pod for each node, ready" 5 ready
show kubectl get pods -n tigera-dpi
kc get pods -n tigera-dpi | shown
within "it inspects the pod that was picked" 20 logged 'frontend-6b64dc9665-97687 on cali047739587bc: inspected for hipstershop/sample-dpi-frontend'
never "and no other" logged 'cart-.* on cali'

# --- step 4: the attack ---------------------------------------------------------------------------------------

show "curl http://\$SVC_IP:80 -H 'User-Agent: Mozilla/4.0' -XPOST --data-raw 'smk=1234'"
in_node curl -gsS --max-time 5 -H 'User-Agent: Mozilla/4.0' -XPOST --data-raw 'smk=1234' http://10.65.1.9:8080/ >"$work/answer" && [ "$(cat "$work/answer")" = ok ] &&
  ok "step 4: the shop answers the attack as it always did" || bad "step 4: the shop answers the attack as it always did"

# --- step 5: the alert ------------------------------------------------------------------------------------------

stored() { [ "$(api 'events?q=sid:21562&limit=500' | jq '.items | length')" = "$1" ]; }
within "step 5a: the alert stands with the manager within five seconds" 5 stored 1
api 'events?q=sid:21562' >"$work/events"
jq -e '.items[0] | .sid == 21562' "$work/events" >/dev/null && ok "with its rule" || { bad "with its rule"; head -c 600 "$work/events"; }
show tapir alerts
SSL_CERT_FILE= in_node env TAPIR_TOKEN="$token" unshare --mount bash -c "cat '$work/hosts' >>'$work/etc-hosts'; cat /etc/hosts >>'$work/etc-hosts'; mount --bind '$work/etc-hosts' /etc/hosts && exec '$tapir' alerts --server https://tapir-manager.tapir-system.svc:9443 --ca-file '$work/ca.crt'" 2>&1 | tee "$work/alerts-table" | shown
grep -q 'Bredolab\|21562' "$work/alerts-table" && ok "the command line shows it" || bad "the command line shows it"
if [ "$search" = yes ]; then
  found() { in_node curl -fsS -H 'Content-Type: application/json' "$url/tigera_secure_ee_events*/_search" -d '{"query":{"bool":{"filter":[{"term":{"origin":"dpi.hipstershop/sample-dpi-frontend"}}]}}}' >"$work/found" && [ "$(jq '[.hits.hits[]._source | select(.record.snort_signature_id == "21562")] | length' "$work/found")" = "$1" ]; }
  within "step 5b: and in OpenSearch, in the index where it is looked for" 15 found 1
  show "GET tigera_secure_ee_events*/_search"
  jq -c '.hits.hits[0]._source | {description, type, origin, severity, dest_namespace, dest_name, dest_ip, dest_port, record}' "$work/found" | shown
  jq -e '.hits.hits[0]._source | .type == "deep_packet_inspection" and .dest_namespace == "hipstershop" and .dest_name == "frontend-6b64dc9665-97687" and .host == "node-1"' "$work/found" >/dev/null && ok "with the names of its workload" || bad "with the names of its workload"
fi
truth() { kc -n hipstershop get deeppacketinspections.projectcalico.org sample-dpi-frontend -o json | jq -e '.status.nodes == [.status.nodes[] | select(.node == "node-1" and .active.success)] and (.status.nodes | length) == 1'; }
within "the resource says that its node inspects" 20 truth

# COMMAND: kills it on this node, and nobody else's.
kill_program() { local pid; for pid in $(ip netns pids "$node"); do tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "^$tapir $1 " && kill -9 "$pid"; done; }
# --- killed in the middle -----------------------------------------------------------------------------------------

attacks=0
for _ in $(seq 10); do attack 10.65.1.9 && attacks=$((attacks + 1)); done
# What is in the spool is safe; what is still on its way through the engine is not, and takes less than this.
sleep 0.5
kill -9 "$agent_pid"; kill_program agent; wait "$agent_pid" 2>/dev/null
start_container tigera-dpi "$agent_pod"; agent_pid=$container_pid
inspected_again() { [ "$(grep -c 'frontend-6b64dc9665-97687 on cali047739587bc: inspected' "$log")" -ge "$1" ]; }
within "the agent, killed and started again, inspects" 20 inspected_again 2
kill_program manager; wait "$manager_pid" 2>/dev/null
for _ in $(seq 5); do attack 10.65.1.9 && attacks=$((attacks + 1)); done
start_container tapir-system "$manager_pod"; manager_pid=$container_pid
within "with the manager killed in between, too, every attack is stored" 40 stored $((1 + attacks))
sleep 2
stored $((1 + attacks)) && ok "and none twice ($((1 + attacks)) of $((1 + attacks)))" || { bad "and none twice"; api 'events?q=sid:21562&limit=500' | jq '.items | length'; }
if [ "$search" = yes ]; then within "nor lost or doubled in OpenSearch" 20 eval 'in_node curl -fsS "$url/tigera_secure_ee_events*/_count?q=record.snort_signature_id:21562" | jq -e ".count == $((1 + attacks))"'; fi

# --- the API server away ----------------------------------------------------------------------------------------------

apiserver=$(pgrep -P "$cluster_pid" -f kube-apiserver | head -n 1)
if [ -n "$apiserver" ]; then
  kill -STOP "$apiserver"
  attack 10.65.1.9 && attacks=$((attacks + 1))
  within "while the API server hangs, attacks are alerted all the same" 10 stored $((1 + attacks))
  kill -CONT "$apiserver"
  kc -n hipstershop label pod cart-6b64dc9665-abcde app=frontend --overwrite >/dev/null
  within "and what changes afterwards is taken up" 30 logged 'cart-6b64dc9665-abcde on cali'
else bad "the API server's process is found"; fi

# --- the end -------------------------------------------------------------------------------------------------------------

show kubectl delete -f sample-dpi-frontend.yaml
kc delete -f "$examples/sample-dpi-frontend.yaml" 2>&1 | shown
no_daemonset() { ! kc -n tigera-dpi get daemonset tigera-dpi >/dev/null 2>&1; }
within "with the last resource the DaemonSet goes" 10 no_daemonset
stored $((1 + attacks)) && ok "and the alerts stay" || bad "and the alerts stay"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
