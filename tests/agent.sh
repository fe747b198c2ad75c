#!/usr/bin/env bash
# `tapir agent` on a host without Kubernetes: a node with two pods in network namespaces, real servers and clients, and the
# YAML that people apply in a cluster.
#
# usage: tests/agent.sh BINARY
#
# Needs root, nginx and curl; without them it says so and ends with 0. One line per check, then "N passed, N failed". Exit 0
# only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n 5p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
. "$here/node.sh"
mkdir "$work/resources" "$work/rules"

# --- resources and endpoints in files ------------------------------------------------------------

resource() { cat >"$work/new"; mv "$work/new" "$work/resources/$1.yaml"; }   # NAME: from standard input, at once
endpoint() {  # POD NUMBER APP
  resource "$1" <<YAML
apiVersion: tapir.dev/v1alpha1
kind: Endpoint
metadata:
  namespace: shop
  name: $1
  labels: {app: $3}
spec:
  interface: $(link_of "$1")
  addresses: [10.65.1.$2, "fd00::$2"]
  owner: {kind: Deployment, name: ${1%%-*}}
  service: ${1%%-*}
YAML
}
inspection() {  # NAME SELECTOR
  resource "dpi-$1" <<YAML
apiVersion: projectcalico.org/v3
kind: DeepPacketInspection
metadata:
  name: $1
  namespace: shop
spec:
  selector: $2
YAML
}
rules() { cat >"$work/new"; mv "$work/new" "$work/rules/own.rules"; }

start_pod frontend-1 9
start_pod cart-1 8
endpoint frontend-1 9 frontend
endpoint cart-1 8 cart
inspection sample 'app == "frontend"'
rules <<'RULES'
alert http ( msg:"seed"; flow:to_server,established; http_header; content:"User-Agent|3A 20|Mozilla/4.0|0D 0A|"; http_client_body; content:"smk=",depth 4; sid:21562; rev:6; )
RULES

for pod in frontend-1 cart-1; do
  within "the server of $pod answers" 5 in_node curl -gsS --max-time 1 "http://10.65.1.$([ $pod = cart-1 ] && echo 8 || echo 9):8080/"
done
ip netns exec "$node" "$tapir" agent --resources "$work/resources" --rules "$work/rules" --format tapir --node node-1 >"$alerts" 2>"$log" &
agent=$!
pids+=("$agent")

# --- what is inspected --------------------------------------------------------------------------

within "the agent is ready" 10 health_says readiness 200
within "it is alive" 1 health_says liveness 200
within "the selected pod is inspected" 2 logged "shop/frontend-1 on $(link_of frontend-1): inspected for shop/sample"
never "the other one is not" logged "shop/cart-1 on"
mark; attack 10.65.1.9
within "an attack is alerted with the names of its workload" 3 alerted '.rule.sid == 21562 and .server.pod == "frontend-1" and .server.owner_name == "frontend" and .server.service == "frontend" and .inspection == {namespace: "shop", name: "sample"}'
mark; attack '[fd00::9]'
within "the same over IPv6" 3 alerted '.destination.ip == "fd00::9" and .server.pod == "frontend-1"'
mark; attack 10.65.1.8; sleep 0.5
never "a pod that nobody selected is left alone" alerted true

inspection second 'has(app) && app != "cart"'
within "a second resource selects it too" 3 logged "frontend-1.*inspected for shop/sample, shop/second"
mark; attack 10.65.1.9
within "both get the alert" 3 alerted '.rule.sid == 21562' 2
endpoint cart-1 8 frontend
within "a label moves the inspection" 3 logged "shop/cart-1 on $(link_of cart-1): inspected for shop/sample, shop/second"
mark; attack 10.65.1.8
within "of the pod that was left alone before" 3 alerted '.server.pod == "cart-1"' 2
endpoint cart-1 8 cart
within "and back" 3 logged "shop/cart-1 on $(link_of cart-1): no longer"
mark; attack 10.65.1.8; sleep 0.5
never "which ends it" alerted true

# --- what goes wrong ----------------------------------------------------------------------------

inspection wrong 'app = "frontend"'
within "a selector that cannot be read is told with its place" 3 logged 'DeepPacketInspection shop/wrong: selects nobody'
mark; attack 10.65.1.9
within "and takes nothing along" 3 alerted '.rule.sid == 21562' 2
rm "$work/resources/dpi-wrong.yaml"
printf 'kind: Nonsense\napiVersion: example.com/v1\n---\na: [' | resource broken
within "a file that is no YAML is told" 3 logged 'broken.yaml'
rm "$work/resources/broken.yaml"
in_node ip link del "$(link_of frontend-1)"
within "an interface that is gone is told" 3 logged 'shop/frontend-1: not inspected: interface cali.* does not exist'
join frontend-1 9
within "and inspected again once it is back" 1 eval '[ "$(grep -c "shop/frontend-1 on .*: inspected" "$log")" -ge 3 ]'
mark; attack 10.65.1.9
within "with its alerts" 3 alerted '.server.pod == "frontend-1"' 2

# --- rules change under it ----------------------------------------------------------------------

rules <<'RULES'
alert http ( msg:"other"; flow:to_server,established; http_client_body; content:"smk=",depth 4; sid:7; )
alert nonsense
RULES
within "changed rules are loaded, and what is wrong in them is told" 10 logged 'rules reloaded: 1 rules \(1 rejected'
mark; attack 10.65.1.9
within "and hold" 3 alerted '.rule.sid == 7' 2
echo 'alert nonsense' | rules
within "rules without anything to run are refused" 10 logged 'rules not reloaded, the old ones stay in force'
mark; attack 10.65.1.9
within "and the last good ones stay" 3 alerted '.rule.sid == 7' 2

# --- what it says of itself ---------------------------------------------------------------------

health=127.0.0.1:9097
in_metrics() { in_node curl -fsS "http://$health/metrics" | grep -qE -- "$1"; }
within "metrics have the packets of the endpoint" 2 in_metrics 'tapir_endpoint_packets_total\{namespace="shop",pod="frontend-1",interface="cali[0-9a-f]+"\} [1-9]'
within "and that the last rules were refused" 2 in_metrics '^tapir_rules_stale 1'
within "and nothing was dropped" 2 in_metrics '^tapir_kernel_drops_total 0'
rm "$work/resources"/dpi-*.yaml
within "without resources nothing is inspected" 3 in_metrics '^tapir_endpoints_attached 0'
kill -TERM "$agent"; wait "$agent"; code=$?
if [ "$code" = 0 ] && logged '[1-9][0-9]* packets inspected, 0 dropped'; then ok "it ends in order and sums up"; else bad "it ends in order and sums up (exit $code)"; fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
