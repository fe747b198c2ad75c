#!/usr/bin/env bash
# Ten million packets of short flows through `tapir scan`, with the resident memory printed on the way.
#
# usage: bench/soak.sh BINARY
#
#   SOAK_SCALE=7   size of the traffic (7: ten million packets, 1.6 GB)
#
# Needs $TAPIR_SHARED/bench/gen.sh and root for recording; the capture is kept in bench/out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
[ $# -eq 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
shared=${TAPIR_SHARED:-$root/../shared}
scale=${SOAK_SCALE:-7}
out=$here/out/soak-$scale
if [ ! -s "$out/small.pcap" ]; then
  [ -x "$shared/bench/gen.sh" ] || { echo "soak: needs $shared/bench/gen.sh (set TAPIR_SHARED)" >&2; exit 1; }
  echo "soak: recording $out/small.pcap" >&2
  mkdir -p "$out.part"
  GEN_SCALE=$scale "$shared/bench/gen.sh" "$out.part" small >&2
  mkdir -p "$out"
  mv "$out.part/small.pcap" "$out/"
  rm -rf "$out.part"
fi
rules=$shared/rules/snort3-community/snort3-community.rules
arguments=()
[ -r "$rules" ] && arguments+=("$rules")
exec python3 "$here/soak.py" "$1" "$out/small.pcap" "${arguments[@]}"
