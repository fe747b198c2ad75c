#!/usr/bin/env bash
# Records traffic for the benchmark where the larger generator is not at hand: nginx and curl in two network
# namespaces, frames of wire size.
#
# usage: [GEN_SCALE=1] bench/traffic.sh OUT [capture...]      captures: http-mix small attacks (default: all)
#
#   http-mix  pages, scripts, JSON and binaries over few connections; gzip; forms
#   small     a new connection for each 200-byte answer
#   attacks   the attacks of the demonstration
#
# Needs root. What it makes it removes on every way out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n 5p "$0" | cut -c3- >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "traffic.sh: network namespaces need root" >&2; exit 1; }
for tool in ip nginx curl tcpdump ethtool; do
  command -v "$tool" >/dev/null || { echo "traffic.sh: $tool is not installed" >&2; exit 1; }
done
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- http-mix small attacks
scale=${GEN_SCALE:-1}
server=10.77.250.10 client=10.77.250.100
server_ns=tapir-bench-$$-s client_ns=tapir-bench-$$-c
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-bench.XXXXXX")
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  ip netns del "$server_ns" 2>/dev/null || true
  ip netns del "$client_ns" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
n() { awk "BEGIN { n = int($1 * $scale); print n < 1 ? 1 : n }"; }

# --- a server, a client, a link between them ----------------------------------------------------

ip netns add "$server_ns"
ip netns add "$client_ns"
ip netns exec "$server_ns" ip link add eth0 type veth peer name eth0 netns "$client_ns"
for end in "$server_ns $server" "$client_ns $client"; do
  read -r ns address <<<"$end"
  ip netns exec "$ns" ip addr add "$address/24" dev eth0
  ip netns exec "$ns" ip link set eth0 up
  ip netns exec "$ns" ip link set lo up
  ip netns exec "$ns" ethtool -K eth0 tso off gso off gro off tx off >/dev/null 2>&1 || true
done
ip netns exec "$client_ns" sysctl -qw net.ipv4.ip_local_port_range="1100 65000" net.ipv4.tcp_tw_reuse=1

mkdir -p "$work/www"
words() { awk -v n="$1" -v seed="$2" 'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%s%s", substr("alpha beta gamma delta price order item total list value shop page", int(rand() * 58) + 1, 4 + int(rand() * 6)), (i % 12 == 11 ? "\n" : " ") }'; }
for i in $(seq 1 20); do
  { echo "<html><head><title>Page $i</title></head><body>"; words $((i * 300)) "$i"; echo '</body></html>'; } >"$work/www/page$i.html"
  { echo 'function run() {'; words $((i * 500)) "$((i + 50))"; echo '}'; } >"$work/www/script$i.js"
  head -c $((i * 20000)) /dev/urandom >"$work/www/image$i.jpg"
done
words 30 1 | head -c 200 >"$work/www/small.txt"
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.err; user root;
events { worker_connections 4096; }
http {
  types { text/html html; application/javascript js; image/jpeg jpg; text/plain txt; }
  access_log off; sendfile on; gzip on; gzip_min_length 1000; gzip_types application/javascript;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server {
    listen $server:80; listen $server:8080; root $work/www;
    location /orders { default_type application/json; return 201 '{"status":"accepted"}'; }
    location = / { error_page 405 =200 /page1.html; }
  }
}
CONF
ip netns exec "$server_ns" nginx -c "$work/nginx.conf" -e "$work/nginx.err" &
pids+=($!)
ask() { ip netns exec "$client_ns" curl -s --max-time 60 "$@" >/dev/null || true; }
ask --retry 50 --retry-connrefused --retry-delay 0 "http://$server/small.txt"

# --- what is asked for --------------------------------------------------------------------------

http-mix() {
  local rounds
  rounds=$(n 60)
  for _ in $(seq "$rounds"); do
    ask --compressed -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' -b 'session=8f2c1a; theme=dark' \
      "http://$server/page[1-20].html?ref=home" "http://$server/script[1-20].js"
    ask -H 'Referer: http://shop.example.test/' "http://$server/image[1-20].jpg"
    ask -H 'Content-Type: application/json' --data-raw '{"items":[{"id":1,"amount":2}],"customer":"jane"}' "http://$server/orders?try=[1-10]"
    ask --data-raw 'name=Jane+Doe&street=Example+Road+1&note=please+ring' "http://$server/orders?form=[1-5]"
  done
}
small() { ask -H 'Connection: close' "http://$server/small.txt?[1-$(n 40000)]"; }
# shellcheck disable=SC2034,SC2317 # pod, node and attack are used by what is sourced
attacks() {
  local pod=$server node=$server
  attack() { [ "$3" = pod ] || ip netns exec "$client_ns" bash -c "${4/curl /curl -s -o /dev/null --max-time 5 --path-as-is }"; }
  # shellcheck source=/dev/null
  . "$here/../demo/attacks.sh"
}

for capture in "$@"; do
  case $capture in http-mix | small | attacks) ;; *) echo "traffic.sh: no capture $capture" >&2; exit 2 ;; esac
  : >"$work/tcpdump"
  ip netns exec "$server_ns" tcpdump -q -n -i eth0 -s 65535 -B 65536 -w "$out/$capture.pcap" 2>"$work/tcpdump" &
  recorder=$!
  pids+=("$recorder")
  until grep -q 'listening on' "$work/tcpdump"; do
    kill -0 "$recorder" 2>/dev/null || { cat "$work/tcpdump" >&2; exit 1; }
    sleep 0.05
  done
  "$capture"
  sleep 1
  kill -TERM "$recorder"
  wait "$recorder" || true
  grep -q '^0 packets dropped by kernel' "$work/tcpdump" || { echo "traffic.sh: $capture: tcpdump lost packets" >&2; cat "$work/tcpdump" >&2; exit 1; }
  echo "traffic.sh: $capture: $(wc -c <"$out/$capture.pcap") bytes"
done
