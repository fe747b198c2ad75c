# For tests that are sourced with it: a node and its pods in network namespaces, joined as Calico joins them, and checks.
# shellcheck shell=bash
#
# Who sources it has set `tapir` (the binary). It sets `work` (a folder), `node` (the node's namespace), `alerts` and `log` (what
# an agent prints), and removes everything on every way out.
for tool in ip nginx curl jq; do
  command -v "$tool" >/dev/null || { echo "$(basename "$0"): skipped: $tool is not installed"; exit 0; }
done
node=ta-$$-node
if [ "$(id -u)" != 0 ] || ! ip netns add "$node" 2>/dev/null; then
  echo "$(basename "$0"): skipped: network namespaces need root"; exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-node.XXXXXX")
pids=() namespaces=("$node")
cleanup() {
  local pid name
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  for name in "${namespaces[@]}"; do ip netns del "$name" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
passed=0 failed=0 seen=0
alerts=$work/alerts log=$work/log
: >"$alerts"
: >"$log"

# --- how a check is made ------------------------------------------------------------------------

ok() { passed=$((passed + 1)); printf 'ok      %s\n' "$1"; }
bad() {
  failed=$((failed + 1)); printf 'FAILED  %s\n' "$1"
  tail -n 5 "$log" | cut -c1-300 | sed 's/^/        log: /'
  tail -n 3 "$alerts" | cut -c1-300 | sed 's/^/        alert: /'
}
# WHAT SECONDS COMMAND…: the command succeeds within that time.
within() {
  local what=$1 end=$(($(date +%s%N) / 1000000 + $2 * 1000))
  shift 2
  while ! "$@" 2>/dev/null >/dev/null; do
    [ $(($(date +%s%N) / 1000000)) -lt $end ] || { bad "$what"; return; }
    sleep 0.05
  done
  ok "$what"
}
never() { local what=$1; shift; if "$@" 2>/dev/null >/dev/null; then bad "$what"; else ok "$what"; fi; }
logged() { grep -qE -- "$1" "$log"; }
# CONDITION [COUNT]: so many alerts since the last `mark` satisfy this jq expression.
mark() { seen=$(wc -l <"$alerts"); }
alerted() { [ "$(tail -n +$((seen + 1)) "$alerts" | jq -c "select($1)" | wc -l)" = "${2:-1}" ]; }
# ADDRESS CONDITION [COUNT]: one attack raises so many alerts; asked again where it is not told when something comes into force.
raises() { mark; attack "$1"; sleep 0.3; alerted "${@:2}"; }
health_says() { [ "$(in_node curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:9097/$1")" = "$2" ]; }

# --- a node and its pods ------------------------------------------------------------------------

in_node() { ip netns exec "$node" "$@"; }
link_of() { echo "cali$(printf '%s.%s' "${pod_namespace:-shop}" "$1" | sha1sum | cut -c1-11)"; }
attack() {  # ADDRESS
  in_node curl -gsS -o /dev/null --max-time 5 -H 'User-Agent: Mozilla/4.0' -XPOST --data-raw 'smk=1234' "http://$1:8080/"
}
join() {  # POD NUMBER: a link as Calico makes it, with a route to each address
  local pod=$1 number=$2 link
  link=$(link_of "$pod")
  in_node ip link add "$link" type veth peer name eth0 netns "ta-$$-$pod"
  in_node ip link set "$link" up
  in_node ip addr add 169.254.1.1/32 dev "$link" 2>/dev/null
  in_node ip route add "10.65.1.$number/32" dev "$link" src 10.240.0.4
  in_node ip -6 addr add fd00:1::1/128 dev "$link" nodad 2>/dev/null
  in_node ip -6 route add "fd00::$number/128" dev "$link"
  in_pod "$pod" ip addr add "10.65.1.$number/32" dev eth0
  in_pod "$pod" ip addr add "fd00::$number/128" dev eth0 nodad
  in_pod "$pod" ip link set eth0 up
  in_pod "$pod" ip route add 10.240.0.4/32 dev eth0
  in_pod "$pod" ip -6 route add fd00:1::1/128 dev eth0
}
in_pod() { local pod=$1; shift; ip netns exec "ta-$$-$pod" "$@"; }
new_pod() {  # POD: a network namespace with nothing but lo
  ip netns add "ta-$$-$1"; namespaces+=("ta-$$-$1")
  in_pod "$1" ip link set lo up
}
start_pod() {  # POD NUMBER
  new_pod "$1"
  join "$1" "$2"
  serve "$1"
}
declare -A server=()   # process of the server by pod
serve() {  # POD
  local pod=$1
  cat >"$work/$pod.conf" <<CONF
daemon off; master_process off; pid $work/$pod.pid; error_log $work/$pod.err;
events { worker_connections 32; }
http {
  access_log off; client_body_temp_path $work/$pod.b; proxy_temp_path $work/$pod.p; fastcgi_temp_path $work/$pod.f;
  uwsgi_temp_path $work/$pod.u; scgi_temp_path $work/$pod.s;
  server { listen 8080; listen [::]:8080; location / { return 200 "ok\n"; } }
}
CONF
  ip netns exec "ta-$$-$pod" nginx -c "$work/$pod.conf" & pids+=($!)
  server[$pod]=$!
}

# Somebody outside of the node: FAR NUMBER NODE-INTERFACE. 10.80.NUMBER.1 there, 10.80.NUMBER.2 on the node.
start_far() {
  local far=$1 number=$2 interface=$3
  ip netns add "ta-$$-$far"; namespaces+=("ta-$$-$far")
  in_node ip link add "$interface" type veth peer name eth0 netns "ta-$$-$far"
  in_node ip addr add "10.80.$number.2/24" dev "$interface"
  in_node ip link set "$interface" up
  in_pod "$far" ip addr add "10.80.$number.1/24" dev eth0
  in_pod "$far" ip link set eth0 up
}
attack_from() {  # FAR ADDRESS
  in_pod "$1" curl -gsS -o /dev/null --max-time 5 -H 'User-Agent: Mozilla/4.0' -XPOST --data-raw 'smk=1234' "http://$2:8080/"
}
mac_of() { ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'; }   # NAMESPACE INTERFACE
in_node ip link set lo up
in_node ip addr add 10.240.0.4/32 dev lo
