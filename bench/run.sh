#!/usr/bin/env bash
# Tapir and, when installed, Suricata side by side: same captures, same rules, one worker on one core.
#
# usage: bench/run.sh BINARY
#
#   GEN_SCALE=0.2               size of the traffic (1: about 1.5 GB)
#   BENCH_RUNS=3                rounds of each program on each capture; medians are shown
#   BENCH_CAPTURES="…"          which captures, default http-mix small mix tls attacks
#   BENCH_INSTALL_SURICATA=1    installs Suricata 7 from Debian's backports (adds them to apt's sources)
#   BENCH_CORE=N                the core to run on, default the last one
#
# The traffic is recorded once from real servers and clients, by $TAPIR_SHARED/bench/gen.sh when there, else
# by traffic.sh beside this file (smaller), and kept in bench/out. The table is printed and written to
# docs/benchmarks.md between its marks. Needs root for recording.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
[ $# -eq 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1")
shared=${TAPIR_SHARED:-$root/../shared}
scale=${GEN_SCALE:-0.2}
read -ra captures <<<"${BENCH_CAPTURES:-http-mix small mix tls attacks}"
say() { printf 'bench: %s\n' "$*" >&2; }

# --- traffic ------------------------------------------------------------------------------------

maker=$here/traffic.sh
[ -x "$shared/bench/gen.sh" ] && maker=$shared/bench/gen.sh
if [ "$maker" = "$here/traffic.sh" ]; then
  say "no $shared/bench/gen.sh: a smaller mix of our own"
  read -ra captures <<<"${BENCH_CAPTURES:-http-mix small attacks}"
  out=$here/out/own-$scale
else
  out=$here/out/scale-$scale
fi
missing=()
for capture in "${captures[@]}"; do [ -s "$out/$capture.pcap" ] || missing+=("$capture"); done
if [ ${#missing[@]} -gt 0 ]; then
  say "recording ${missing[*]} at scale $scale"
  # Recorded beside and moved when whole: an interrupted recording must not be measured later.
  mkdir -p "$out.part"
  GEN_SCALE=$scale "$maker" "$out.part" "${missing[@]}" >&2
  mkdir -p "$out"
  mv "$out.part"/*.pcap "$out/"
  rm -rf "$out.part"
fi
files=()
for capture in "${captures[@]}"; do files+=("$out/$capture.pcap"); done

# --- Suricata -----------------------------------------------------------------------------------

if [ "${BENCH_INSTALL_SURICATA:-}" = 1 ] && ! command -v suricata >/dev/null; then
  say "installing suricata from bookworm-backports"
  list=/etc/apt/sources.list.d/tapir-bench-backports.list
  [ -e "$list" ] || echo 'deb http://deb.debian.org/debian bookworm-backports main' >"$list"
  apt-get -qq update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends -t bookworm-backports suricata >/dev/null
fi
command -v suricata >/dev/null || say "suricata is not installed: Tapir alone (BENCH_INSTALL_SURICATA=1 installs it)"

# --- rules --------------------------------------------------------------------------------------

arguments=()
snort3=$shared/rules/snort3-community/snort3-community.rules
snort2=$shared/rules/snort2.9-community/community.rules
if [ -r "$snort3" ] && [ -r "$snort2" ]; then
  # Suricata has no switch for commented-out rules: they are uncommented for it.
  sed -E 's/^# *(alert|drop|pass) /\1 /' "$snort2" >"$here/out/suricata.rules"
  arguments+=(--tapir-rules "$snort3" --suricata-rules "$here/out/suricata.rules" --rules-name "Snort community rules, all switched on")
else
  say "no community rules in $shared: the starter rules; Suricata, which does not read the Snort 3 form, runs without rules"
  arguments+=(--tapir-rules "$root/rules/tapir-starter.rules" --rules-name "Tapir starter rules (Suricata: none, it does not read the Snort 3 form)")
fi

exec python3 "$here/measure.py" --tapir "$tapir" --out "$here/out" --document "$root/docs/benchmarks.md" \
  --runs "${BENCH_RUNS:-3}" ${BENCH_CORE:+--core "$BENCH_CORE"} --scale "$scale" "${arguments[@]}" "${files[@]}"
