#!/usr/bin/env bash
# Runs the fuzz targets, coverage-guided, with the pinned stable toolchain.
#
#   fuzz/run.sh smoke                every target for 5 seconds
#   fuzz/run.sh SECONDS [TARGET…]    every target (or these) for that much CPU time; finds are kept in fuzz/corpus
#   fuzz/run.sh replay [TARGET…]     only the seeds and the regressions
#
# One line per target. A crash fails the run; its input stays in fuzz/artifacts/TARGET. Once the bug is
# mended, move the input to fuzz/regressions/TARGET: it is replayed from then on.
# JOBS: targets at the same time (default: the number of cores).
set -euo pipefail
cd "$(dirname "$0")"

usage() { sed -n '4,6s/^# *//p' "$0" >&2; exit 2; }
case "${1:-}" in
  smoke) seconds=5 keep=0 ;;
  replay) seconds=0 keep=0 ;;
  ''|*[!0-9]*) usage ;;
  *) seconds=$1 keep=1 ;;
esac
shift
all=$(ls fuzz_targets | sed 's/\.rs$//')
targets=${*:-$all}
jobs=${JOBS:-$(nproc)}

# libFuzzer is built from source.
if ! command -v c++ >/dev/null; then
  echo "installing g++"
  DEBIAN_FRONTEND=noninteractive apt-get -qq update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends g++ >/dev/null
fi

# The instrumentation that libFuzzer reads. Sanitizers are left out: they need nightly, and the code
# under test is safe Rust but for three modules that have tests of their own.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target}
host=$(rustc -vV | sed -n 's/^host: //p')
started=$SECONDS
# --target keeps the flags away from build scripts and macros.
cargo build --quiet --release --locked --target "$host" --bins
echo "built $(wc -w <<<"$all") targets in $((SECONDS - started)) s"
bin=$CARGO_TARGET_DIR/$host/release

# One target: seeds and regressions once, then the given time. Prints one line.
run_target() {
  local target=$1 log corpus status=0 spent=0 inputs=() dirs=()
  [ -x "$bin/$target" ] || { echo "$target: no such target"; return 1; }
  log=$(mktemp) corpus=$(mktemp -d)
  for dir in seeds/"$target" regressions/"$target" corpus/"$target"; do
    [ -d "$dir" ] && dirs+=("$dir") && inputs+=("$dir"/*)
  done
  if [ "$keep" = 1 ]; then mkdir -p "corpus/$target"; rmdir "$corpus"; corpus=corpus/$target; fi
  mkdir -p "artifacts/$target"
  local options=(-artifact_prefix="artifacts/$target/" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1)
  if [ ${#inputs[@]} -gt 0 ]; then "$bin/$target" "${options[@]}" "${inputs[@]}" >"$log" 2>&1 || status=$?; fi
  if [ $status = 0 ] && [ "$seconds" -gt 0 ]; then
    # CPU time, not wall time: on a busy machine the target goes on until it had its share.
    local TIMEFORMAT='%U %S' left=$seconds user system
    while [ $status = 0 ] && [ "$left" -gt 0 ]; do
      { time "$bin/$target" "${options[@]}" -max_total_time="$left" "$corpus" "${dirs[@]}" >"$log.run" 2>&1; } 2>"$log.time" || status=$?
      cat "$log.run" >>"$log"
      read -r user system <"$log.time"
      spent=$(awk -v a="$spent" -v b="$user" -v c="$system" 'BEGIN { print a + b + c }')
      left=$(awk -v all="$seconds" -v spent="$spent" 'BEGIN { printf "%d", all - spent }')
    done
  fi
  local runs cover
  runs=$(awk '/^stat::number_of_executed_units:/ { sum += $2 } END { print sum + 0 }' "$log")
  cover=$(grep -oE 'cov: [0-9]+' "$log" | tail -1)
  if [ $status = 0 ]; then
    printf '%-14s ok     %4d inputs, %9s runs in %.0f CPU-s, %s\n' "$target" ${#inputs[@]} "$runs" "$spent" "${cover:-replayed only}"
  else
    printf '%-14s FAILED %s\n' "$target" "$(grep -hE '^Running: |Test unit written|ERROR: libFuzzer: [^d]' "$log" | tail -2 | tr '\n' ' ')"
    sed -n '/panicked at/,/^stack backtrace/p' "$log" | cut -c 1-2000 | head -20 | sed 's/^/    /'
  fi
  rmdir "artifacts/$target" 2>/dev/null || true
  [ "$keep" = 1 ] || rm -rf "$corpus"
  rm -f "$log" "$log.run" "$log.time"
  return $status
}
export -f run_target
export bin seconds keep
status=0
# shellcheck disable=SC2086 # targets are words
printf '%s\n' $targets | xargs -P "$jobs" -I{} bash -c 'run_target {}' || status=1
if [ $status = 0 ]; then echo "fuzz: no crash"; else echo "fuzz: a target failed; inputs are in fuzz/artifacts" >&2; fi
exit $status
