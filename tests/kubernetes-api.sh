# For scripts that are sourced with it: a real Kubernetes API, by the binary `tapir-cluster`, for as long as the script runs.
# shellcheck shell=bash
#
# Who sources it has set `work` (a folder) and `pids` (what is killed on every way out); TAPIR_ENVTEST names the folders of the programs.

# COMMAND…: begins to start a cluster; its pid is in cluster_pid.
begin_cluster() {
  : >"$work/cluster"
  mkfifo "$work/hold"
  sleep 3600 >"$work/hold" & pids+=($!)
  "$@" <"$work/hold" >"$work/cluster" 2>"$work/cluster.log" & cluster_pid=$!
  pids+=("$cluster_pid")
}
# Waits for it: `admin` is the kubeconfig of somebody who may everything, `kubectl` the program.
await_cluster() {
  for _ in $(seq 600); do grep -q '^KUBECONFIG=' "$work/cluster" && break; sleep 0.1; done
  admin=$(sed -n 's/^KUBECONFIG=//p' "$work/cluster")
  [ -n "$admin" ] || { tail -n 20 "$work/cluster.log" >&2; echo "$(basename "$0"): no cluster" >&2; exit 1; }
  kubectl=$(IFS=:; for folder in $TAPIR_ENVTEST; do [ -x "$folder/kubectl" ] && echo "$folder/kubectl"; done | head -n 1)
}
# NAMESPACE ACCOUNT FILE: writes the kubeconfig of a service account, with what it may do and no more. `kc` is kubectl as `admin`.
account_config() {
  local token address authority
  token=$(kc -n "$1" create token "$2" --duration=1h)
  address=$(kc config view --raw -o jsonpath='{.clusters[0].cluster.server}')
  authority=$(kc config view --raw -o jsonpath='{.clusters[0].cluster.certificate-authority-data}')
  cat >"$3" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "$address", certificate-authority-data: "$authority"}}]
users: [{name: u, user: {token: "$token"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
YAML
}
# NAME NODE APP IPV4 IPV6: the API has this pod of a Deployment, running, in hipstershop. By the script's own `kc`, which is kubectl.
tell_running_pod() {
  kc apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata:
  namespace: hipstershop
  name: $1
  labels: {app: $3, pod-template-hash: 6b64dc9665}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: ${1%-*}, uid: 00000000-0000-0000-0000-000000000001, controller: true}]
spec: {nodeName: $2, automountServiceAccountToken: false, containers: [{name: server, image: example.com/server}]}
YAML
  kc -n hipstershop patch pod "$1" --subresource=status --type=merge -p \
    "{\"status\":{\"phase\":\"Running\",\"podIP\":\"$4\",\"podIPs\":[{\"ip\":\"$4\"},{\"ip\":\"$5\"}]}}" >/dev/null
}
