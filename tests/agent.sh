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

# --- what it has given up -----------------------------------------------------------------------

health=127.0.0.1:9097
in_metrics() { in_node curl -fsS "http://$health/metrics" | grep -qE -- "$1"; }
status_of() { grep -H -E "^($2):" "/proc/$agent/task"/*/status | while IFS= read -r line; do   # THREAD FIELDS: what the kernel says
    [ "$(cat "$(dirname "${line%%:*}")/comm")" = "$1" ] && printf '%s\n' "${line#*:}" | tr -s '\t ' ' '
  done; }
caps() { printf 'CapPrm: %s\nCapEff: %s' "$1" "$1"; }
none=0000000000000000
kept=0000000000282000   # CAP_NET_RAW (13), CAP_SYS_PTRACE (19), CAP_SYS_ADMIN (21)
is() { [ "$1" = "$2" ]; }
within "the sandbox is told" 1 logged 'sandbox: seccomp, Landlock [1-9][0-9]*; one thread keeps NET_RAW, SYS_PTRACE, SYS_ADMIN, the others nothing'
within "the thread that inspects has no capability" 1 is "$(status_of tapir-capture 'CapPrm|CapEff')" "$(caps $none)"
within "its system calls are filtered, and it gains no privileges" 1 is "$(status_of tapir-capture 'NoNewPrivs|Seccomp')" "$(printf 'NoNewPrivs: 1\nSeccomp: 2')"
within "one thread keeps the capabilities that the agent needs" 1 is "$(status_of tapir-porter 'CapPrm|CapEff')" "$(caps $kept)"
within "and no other any" 1 is "$(grep -hE '^CapPrm:' "/proc/$agent/task"/*/status | grep -cv "$none")" 1
within "every thread is filtered" 1 is "$(grep -hE '^Seccomp:' "/proc/$agent/task"/*/status | sort -u | tr -s '\t ' ' ')" "Seccomp: 2"
within "nothing that it starts could have more" 1 is "$(grep -h CapBnd "/proc/$agent/task"/*/status | sort -u | tr -s '\t ' ' ')" "CapBnd: $kept"
within "metrics say so" 2 in_metrics '^tapir_sandbox_whole 1'
within "and that the thread is sealed" 1 in_metrics '^tapir_sandbox_sealed 1'

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
within "and hold" 3 raises 10.65.1.9 '.rule.sid == 7' 2
echo 'alert nonsense' | rules
within "rules without anything to run are refused" 10 logged 'rules not reloaded, the old ones stay in force'
mark; attack 10.65.1.9
within "and the last good ones stay" 3 alerted '.rule.sid == 7' 2
within "and metrics say that the last rules were refused" 2 in_metrics '^tapir_rules_stale 1'

# --- where the node's side does not see the pod ---------------------------------------------------

rules <<'RULES'
alert http ( msg:"seed"; flow:to_server,established; http_client_body; content:"smk=",depth 4; sid:21562; )
RULES
within "the rules for what follows are loaded" 10 logged 'rules reloaded: 1 rules \(0 rejected'
in_endpoint() {  # POD ADDRESS INTERFACE NAMESPACE: either of the last two may be empty
  resource "$1" <<YAML
apiVersion: tapir.dev/v1alpha1
kind: Endpoint
metadata: {namespace: shop, name: $1, labels: {role: inside}}
spec:
  interface: "$3"
  networkNamespace: "$4"
  addresses: [$2]
YAML
}
inspection inside 'role == "inside"'
if in_node ip link add probe0 type veth peer name probe1 && in_node ip link add link probe0 name probe2 type macvlan 2>/dev/null; then
  # A pod on the network outside, without any end on the node.
  in_node ip link del probe0
  start_far lan 1 lan0
  new_pod macvlan-1
  in_node ip link add link lan0 name mac0 type macvlan mode bridge
  in_node ip link set mac0 netns "ta-$$-macvlan-1" name eth0
  in_pod macvlan-1 ip addr add 10.80.1.5/24 dev eth0
  in_pod macvlan-1 ip link set eth0 up
  serve macvlan-1
  within "the server of macvlan-1 answers" 5 in_pod lan curl -gsS --max-time 1 http://10.80.1.5:8080/
  in_endpoint macvlan-1 10.80.1.5 "" "ta-$$-macvlan-1"
  within "a pod on macvlan is inspected inside of it" 3 logged 'shop/macvlan-1 on eth0: inspected for shop/inside \(inside of the pod\)'
  mark; attack_from lan 10.80.1.5
  within "with its alerts" 3 alerted '.rule.sid == 21562 and .server.pod == "macvlan-1" and .destination.ip == "10.80.1.5"'
else
  in_node ip link del probe0 2>/dev/null
  echo "not checked: pods on macvlan, which this kernel does not have"
fi

start_far wan 2 wan0
in_node sysctl -qw net.ipv4.ip_forward=1
start_pod behind-1 7
link=$(link_of behind-1)
in_pod behind-1 ip route add 10.80.2.0/24 via 10.240.0.4
in_pod wan ip route add 10.65.1.7/32 via 10.80.2.2
# No ARP: it would be redirected too.
in_pod wan ip neigh replace 10.80.2.2 lladdr "$(mac_of "$node" wan0)" dev eth0 nud permanent
in_node ip neigh replace 10.80.2.1 lladdr "$(mac_of "ta-$$-wan" eth0)" dev wan0 nud permanent
within "the server of behind-1 answers from outside" 5 in_pod wan curl -gsS --max-time 1 http://10.65.1.7:8080/
in_endpoint behind-1 10.65.1.7 "$link" "/proc/${server[behind-1]}/ns/net"
within "a pod is inspected from the node's side" 3 logged "shop/behind-1 on $link: inspected for shop/inside \\(found by file\\)"
mark; attack_from wan 10.65.1.7
within "which sees what comes from outside" 3 alerted '.server.pod == "behind-1"'
for _ in 1 2 3 4 5 6; do attack_from wan 10.65.1.7; done
sleep 5
never "and is not taken for blind" logged 'does not see what the pod receives'
redirect() {
  ip netns exec "$node" "$here/redirect-peer.py" wan0 "$link" >"$work/redirect" 2>&1 & redirected=$!
  pids+=("$redirected")
  for _ in $(seq 50); do grep -q attached "$work/redirect" && return 0; kill -0 "$redirected" 2>/dev/null || return 1; sleep 0.1; done
  return 1
}
if command -v python3 >/dev/null && redirect; then
  within "with eBPF redirection the server answers still" 5 in_pod wan curl -gsS --max-time 1 http://10.65.1.7:8080/
  mark; attack_from wan 10.65.1.7; sleep 1
  never "but an attack passes the node's side by" alerted true
  for _ in 1 2 3; do attack_from wan 10.65.1.7; done
  within "which is found out, and the pod is inspected inside of it" 15 logged 'shop/behind-1 on eth0: inspected for shop/inside \(inside of the pod\)'
  mark; attack_from wan 10.65.1.7
  within "with its alerts" 3 alerted '.server.pod == "behind-1" and .rule.sid == 21562'
  # The same without the capabilities that entering takes.
  mkdir "$work/poor"
  cp "$work/resources/behind-1.yaml" "$work/resources/dpi-inside.yaml" "$work/poor"
  [ -e "$work/resources/macvlan-1.yaml" ] && cp "$work/resources/macvlan-1.yaml" "$work/poor"
  ip netns exec "$node" setpriv --bounding-set=-sys_admin,-sys_ptrace "$tapir" agent --resources "$work/poor" --rules "$work/rules" \
    --node node-2 --health 127.0.0.1:9098 2>"$work/poor.log" >/dev/null & poor=$!
  pids+=("$poor")
  poorly() { grep -qE -- "$1" "$work/poor.log"; }
  within "an agent without SYS_ADMIN and SYS_PTRACE inspects from the node's side" 10 poorly "shop/behind-1 on $link: inspected"
  attacked() { attack_from wan 10.65.1.7; poorly "$1"; }   # what was sent before it began to count proves nothing
  within "and says that it does not see, why, and what to do" 15 attacked "does not see what the pod receives.*CAP_SYS_PTRACE; give the agent SYS_ADMIN and SYS_PTRACE"
  poor_metrics() { in_node curl -fsS http://127.0.0.1:9098/metrics | grep -qE -- "$1"; }
  within "in metrics, too" 3 poor_metrics '^tapir_endpoints_blind 1'
  [ -e "$work/poor/macvlan-1.yaml" ] && within "a pod on macvlan is not inspected then, for the same reason" 3 poorly 'shop/macvlan-1: not inspected: .*CAP_SYS_ADMIN.*give the agent SYS_ADMIN'
  kill "$poor"; wait "$poor" 2>/dev/null
  kill "$redirected"; wait "$redirected" 2>/dev/null
else
  echo "not checked: eBPF redirection, which this machine does not allow: $(head -n 1 "$work/redirect" 2>/dev/null)"
fi
rm -f "$work/resources/behind-1.yaml" "$work/resources/macvlan-1.yaml" "$work/resources/dpi-inside.yaml"
within "a pod that is gone is left" 3 logged 'shop/behind-1 on .*: no longer'

# --- rules of the cluster, and Tapir's own resource ------------------------------------------------

configmap() {  # NAME LABEL: rules from standard input
  { printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {tapir.dev/rules: "%s"}}\ndata:\n  x.rules: |\n' "$1" "$2"; sed 's/^/    /'; } | resource "map-$1"
}
own() {  # NAME: an Inspection, its spec from standard input
  { printf 'apiVersion: tapir.dev/v1alpha1\nkind: Inspection\nmetadata: {name: %s}\nspec:\n' "$1"; sed 's/^/  /'; } | resource "own-$1"
}
web() { printf 'alert http ( msg:"%s"; flow:to_server,established; http_client_body; content:"smk=",depth 4; sid:%s; )\n' "$1" "$2"; }
web all 101 | configmap all true
within "rules of a ConfigMap join those of the node" 10 logged 'rules reloaded: 2 rules \(0 rejected'
within "and hold" 3 raises 10.65.1.9 '.rule.sid == 101 and .inspection.name == "sample"'
{ web all 101; echo 'alert nonsense'; } | configmap all true
within "a rule of it that cannot be used is told with its place" 10 in_metrics '^tapir_rule_fault\{file="configmap/all/x.rules",line="2",column="[0-9]+",code="R[0-9]+"\} 1'
echo 'alert nonsense' | configmap all true
within "one that has lost all its rules is refused" 10 logged 'rules not reloaded.*configmap/all/x.rules has no rule left that can run: configmap/all/x.rules:1:'
mark; attack 10.65.1.9
within "and the last good ones stay" 3 alerted '.rule.sid == 101 and .inspection.name == "sample"'
rm "$work/resources/map-all.yaml"
within "a ConfigMap that is gone takes its rules along" 10 logged 'rules reloaded: 1 rules \(0 rejected'

web named 202 | configmap named named
own strict <<'YAML'
workloads: {namespaceSelector: 'projectcalico.org/name == "shop"', selector: 'app == "frontend"'}
rules:
  bundled: false
  sources:
  - {name: own, configMap: {name: named}}
  - {name: feed, url: {url: "https://rules.example/r.tar.gz", digest: "sha256:0"}}
evidence: {capture: none}
YAML
within "an Inspection has rules of its own" 10 logged 'shop/frontend-1 on cali[0-9a-f]+, with rules of its own: inspected for strict'
within "and what of it is not done is told" 3 logged 'Inspection strict: not wholly done: source feed: url.digest: sha256: with 64 hexadecimal digits is wanted'
mark; attack 10.65.1.9
within "its rules raise its alerts, without bytes" 3 alerted '.rule.sid == 202 and .inspection == {namespace: "", name: "strict"} and .evidence == null'
within "those of the node raise the other's, with bytes" 3 alerted '.rule.sid == 21562 and .inspection.name == "sample" and .evidence != null'
never "and neither the other's" alerted '(.rule.sid == 202 and .inspection.name != "strict") or (.rule.sid == 21562 and .inspection.name == "strict")'
own node <<'YAML'
host: {interfaces: ["wan?"]}
rules: {disable: ["1:21562"], enable: ["1:303"], sources: [{name: own, configMap: {name: named}}]}
YAML
within "interfaces of the node itself are inspected" 10 logged 'the node on wan0, with rules of its own: inspected for node \(of the node itself\)'
never "others are not" logged 'the node on lan0'
mark; attack_from wan 10.65.1.7
within "with their alerts, without the rule that is switched off" 3 alerted '.inspection.name == "node" and .rule.sid == 202 and .destination.ip == "10.65.1.7"'
never "really" alerted '.rule.sid == 21562'
own packets <<'YAML'
workloads: {namespaceSelector: 'projectcalico.org/name == "shop"', selector: 'app == "frontend"'}
evidence: {capture: packets, maxPackets: 20}
YAML
within "an Inspection that asks for packets has those before the alert, too" 10 raises 10.65.1.9 '.inspection.name == "packets" and .rule.sid == 21562 and (.evidence.packets | length) > 3'
within "from the beginning of the conversation on, and no more than asked for" 3 alerted '.inspection.name == "packets" and .evidence.packets[0].time < .time and .evidence.packets[0].length < 80 and (.evidence.packets | length) <= 20'
never "others do not have them" alerted '.inspection.name == "sample" and (.evidence | has("packets"))'
within "metrics say that all had room" 3 in_metrics '^tapir_endpoints_unrecorded 0'
within "metrics count rule sets" 3 in_metrics '^tapir_rule_sets 3'
rm "$work/resources"/own-*.yaml "$work/resources/map-named.yaml"
within "with the resources their sets go" 5 in_metrics '^tapir_rule_sets 1'

# --- what it says of itself ---------------------------------------------------------------------

within "metrics have the packets of the endpoint" 2 in_metrics 'tapir_endpoint_packets_total\{namespace="shop",pod="frontend-1",interface="cali[0-9a-f]+"\} [1-9]'
within "and nothing was dropped" 2 in_metrics '^tapir_kernel_drops_total 0'
rm "$work/resources"/dpi-*.yaml
within "without resources nothing is inspected" 3 in_metrics '^tapir_endpoints_attached 0'
kill -TERM "$agent"; wait "$agent"; code=$?
if [ "$code" = 0 ] && logged '[1-9][0-9]* packets inspected, 0 dropped'; then ok "it ends in order and sums up"; else bad "it ends in order and sums up (exit $code)"; fi

# --- rules from an image, with a snort.lua --------------------------------------------------------

mkdir "$work/image"
{ web first 404; web second 405; } >"$work/image/community.rules"
cat >"$work/image/snort.lua" <<'LUA'
stream = { }
suppress = { { gid = 1, sid = 404 } }
ips = { variables = default_variables, rules = [[
  alert http ( msg:"third"; flow:to_server,established; http_client_body; content:"smk=",depth 4; sid:406; )
]] }
LUA
inspection sample 'app == "frontend"'
: >"$log"
ip netns exec "$node" "$tapir" agent --sandbox require --resources "$work/resources" --snort-rules "$work/image" --format tapir --node node-1 >>"$alerts" 2>"$log" &
agent=$!
pids+=("$agent")
within "rules of an image and of its snort.lua are loaded" 10 logged 'node node-1: 3 rules \(0 rejected'
within "what of the snort.lua is not acted on is told with its line" 1 logged 'snort.lua: not acted on: stream \(line 1\)'
within "the pod is inspected with them" 5 logged "shop/frontend-1 on .*: inspected for shop/sample"
mark; attack 10.65.1.9
within "they raise alerts" 3 alerted '.rule.sid == 405 or .rule.sid == 406' 2
never "a suppressed rule does not" alerted '.rule.sid == 404'
kill -TERM "$agent"; wait "$agent"

mv "$work/image" "$work/whole"; mkdir "$work/image"
echo 'suppress = { { gid = 1, sid = 21562 } }' >"$work/image/snort.lua"
: >"$log"
ip netns exec "$node" "$tapir" agent --resources "$work/resources" --snort-rules "$work/image" --format tapir --node node-1 >>"$alerts" 2>"$log" &
agent=$!
pids+=("$agent")
within "a snort.lua without rules is for the built-in ones" 10 logged 'node node-1: 1[0-9]{2} rules \('
within "the pod is inspected with them, too" 5 logged "shop/frontend-1 on .*: inspected for shop/sample"
mark; attack 10.65.1.9; sleep 1
never "what it suppresses is suppressed" alerted '.rule.sid == 21562'
kill -TERM "$agent"; wait "$agent"
mkdir "$work/folders" "$work/folders/deep"; web deep 407 >"$work/folders/deep/x.rules"
: >"$log"
ip netns exec "$node" "$tapir" agent --resources "$work/resources" --snort-rules "$work/folders" --node node-1 2>"$log" >/dev/null &
agent=$!
pids+=("$agent")
within "rules in a folder of the folder are not used, which is said" 10 logged 'folders has files, but neither'
kill -TERM "$agent"; wait "$agent"
rm -r "$work/image"; mv "$work/whole" "$work/image"

# --- without a sandbox, by the environment ----------------------------------------------------------

: >"$log"
TAPIR_SANDBOX=off ip netns exec "$node" "$tapir" agent --resources "$work/resources" --snort-rules "$work/image" --node node-1 2>"$log" >/dev/null &
agent=$!
pids+=("$agent")
within "an agent without a sandbox says so" 10 logged 'no sandbox, as it was asked for'
within "in metrics, too" 5 in_metrics '^tapir_sandbox_whole 0'
within "and its threads are not filtered" 1 is "$(status_of tapir-capture 'NoNewPrivs|Seccomp')" "$(printf 'NoNewPrivs: 0\nSeccomp: 0')"
kill -TERM "$agent"; wait "$agent"

# --- on kernels that lack a part of it ----------------------------------------------------------------

# PART… -- COMMAND…: runs it as on a kernel without these. Filters of system calls answer as such a kernel does.
cat >"$work/without.py" <<'PY'
import ctypes, errno, os, struct, sys
at = sys.argv.index("--")
landlock = (444, None, errno.EOPNOTSUPP)
filters = [(157, 22, errno.EINVAL), (317, None, errno.ENOSYS)]   # prctl(PR_SET_SECCOMP), seccomp
tests = sum(({"landlock": [landlock], "seccomp": filters}[part] for part in sys.argv[1:at]), [])
program = [(0x20, 0, 0, 0)]   # the call's number
for number, first, answer in tests:
    refusal = (0x06, 0, 0, 0x00050000 | answer)
    if first is None:
        program += [(0x15, 0, 1, number), refusal]
    else:
        program += [(0x15, 0, 4, number), (0x20, 0, 0, 16), (0x15, 0, 1, first), refusal, (0x20, 0, 0, 0)]
program.append((0x06, 0, 0, 0x7fff0000))
code = b"".join(struct.pack("HBBI", *one) for one in program)
memory = ctypes.create_string_buffer(code)
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(22, 2, ctypes.c_char_p(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(memory)))) != 0:
    sys.exit(f"without.py: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
PY
lacking() {  # PART… -- FLAGS…
  local parts=()
  while [ "$1" != -- ]; do parts+=("$1"); shift; done
  shift
  : >"$log"
  ip netns exec "$node" python3 "$work/without.py" "${parts[@]}" -- "$tapir" agent --resources "$work/resources" --snort-rules "$work/image" \
    --format tapir --node node-1 "$@" >>"$alerts" 2>"$log" &
  agent=$!
  pids+=("$agent")
}
if command -v python3 >/dev/null && [ "$(uname -m)" = x86_64 ]; then
  for parts in landlock seccomp "landlock seccomp"; do
    read -ra each <<<"$parts"
    lacking "${each[@]}" --
    within "without $parts the agent inspects" 10 logged "shop/frontend-1 on .*: inspected for shop/sample"
    for part in "${each[@]}"; do
      case $part in landlock) why='no Landlock' option=CONFIG_SECURITY_LANDLOCK ;; *) why='system calls cannot be filtered' option=CONFIG_SECCOMP_FILTER ;; esac
      within "and says what is missing, and what of the kernel it is: $part" 1 logged "the sandbox lacks a part: .*$why.*$option"
      case $part in landlock) within "in metrics, too" 3 in_metrics '^tapir_sandbox_landlock 0' ;; *) within "in metrics, too" 3 in_metrics '^tapir_sandbox_seccomp 0' ;; esac
    done
    within "it is not whole, nor is the thread sealed" 3 in_metrics '^tapir_sandbox_whole 0'
    within "which is a metric of its own" 3 in_metrics '^tapir_sandbox_sealed 0'
    mark; attack 10.65.1.9
    within "and attacks are alerted" 3 alerted '.rule.sid == 405 or .rule.sid == 406' 2
    kill -TERM "$agent"; wait "$agent"; code=$?
    if [ "$code" = 0 ] && logged '[1-9][0-9]* packets inspected, 0 dropped'; then ok "it ends in order, and nothing was dropped"; else bad "it ends in order, and nothing was dropped (exit $code)"; fi
    lacking "${each[@]}" -- --sandbox require
    wait "$agent"; code=$?
    if [ "$code" = 1 ] && logged 'the sandbox is required and .*; use a kernel that has it, or --sandbox on'; then ok "where it is required, the agent does not start without $parts"; else bad "where it is required, the agent does not start without $parts (exit $code)"; fi
  done
else
  echo "not checked: kernels that lack a part of the sandbox (needs python3 on x86-64)"
fi

# --- rules from a web server, by digest -------------------------------------------------------------

mkdir "$work/feed" "$work/cache"
web feed 501 >"$work/feed/web.rules"
tar -C "$work/feed" -czf "$work/feed/r.tar.gz" ./web.rules
pin=$(sha256sum <"$work/feed/r.tar.gz" | cut -c1-64)
wrong=$(printf x | sha256sum | cut -c1-64)
cat >"$work/feed.conf" <<CONF
daemon off; master_process off; pid $work/feed.pid; error_log $work/feed.err;
events { worker_connections 32; }
http { access_log off; client_body_temp_path $work/feed.b; proxy_temp_path $work/feed.p; fastcgi_temp_path $work/feed.f;
  uwsgi_temp_path $work/feed.u; scgi_temp_path $work/feed.s; server { listen 127.0.0.1:8088; root $work/feed; } }
CONF
ip netns exec "$node" nginx -c "$work/feed.conf" & feed=$!
pids+=("$feed")
within "the web server with rules answers" 5 in_node curl -fsS -o /dev/null http://127.0.0.1:8088/r.tar.gz
fed() {  # DIGEST
  : >"$log"
  ip netns exec "$node" "$tapir" agent --resources "$work/resources" --rules "$work/rules" --rules-cache "$work/cache" --format tapir \
    --node node-1 --rules-from "http://127.0.0.1:8088/r.tar.gz#sha256=$1" >>"$alerts" 2>"$log" &
  agent=$!
  pids+=("$agent")
  within "$2" 15 logged "$3"
  within "the pod is inspected" 5 logged "shop/frontend-1 on .*: inspected for shop/sample"
  mark; attack 10.65.1.9
}
fed "$pin" "rules from a web server join those of the node" 'rules reloaded: 2 rules \(0 rejected'
within "and an attack that only they know is alerted" 3 alerted '.rule.sid == 501'
within "metrics name the source" 2 in_metrics '^tapir_rule_source_failed\{source="http://127.0.0.1:8088/r.tar.gz"\} 0'
kill -TERM "$agent"; wait "$agent"
fed "$wrong" "a wrong digest is told" "error: rules of http://127.0.0.1:8088/r.tar.gz: what came is not what was asked for: its digest is sha256:$pin, not sha256:$wrong"
within "in metrics, too" 2 in_metrics '^tapir_rule_source_failed\{source="http://127.0.0.1:8088/r.tar.gz"\} 1'
within "and the last good rules stay" 3 alerted '.rule.sid == 501'
kill -TERM "$agent"; wait "$agent"
kill "$feed"; wait "$feed" 2>/dev/null
fed "$pin" "a restart without the server has them from the copy" 'rules reloaded: 2 rules \(0 rejected'
within "with their alerts" 3 alerted '.rule.sid == 501'
kill -TERM "$agent"; wait "$agent"
if ip netns exec "$node" "$tapir" agent --resources "$work/resources" --rules-from http://127.0.0.1:8088/r.tar.gz 2>"$work/unpinned"; then
  bad "without a digest nothing is taken"
else
  within "without a digest nothing is taken, and how to get one is told" 1 grep -q 'sha256sum' "$work/unpinned"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
