#!/usr/bin/env bash
# Starts a real OpenSearch node on loopback, for as long as something needs it.
#
# usage: tests/opensearch/run.sh [COMMAND [ARGUMENT...]]
#
# With COMMAND: runs it with OPENSEARCH_URL set, then ends the server; the exit status is the command's.
# Without: prints the URL on one line and serves until standard input closes or INT, TERM or HUP arrives. So a
# test may start this with a pipe as input, read a line and close the pipe; a test that dies takes the server along.
#
# The first run resolves the jars of pom.xml with Maven (72 MB into its cache, 50 MB of that the server) and
# compiles Launcher.java; later runs find both in the build directory and need neither Maven nor a network.
# Several may run at once. Nothing is left behind but the build directory and Maven's own cache.
#
#   OPENSEARCH_BUILD      build directory (default: ${CARGO_TARGET_DIR:-target}/opensearch)
#   OPENSEARCH_DATA       data directory, kept (default: a temporary one, removed)
#   OPENSEARCH_PORT       HTTP port (default: a free one)
#   OPENSEARCH_HEAP       heap (default: 512m)
#   OPENSEARCH_JAVA_HOME  the JDK to use (default: Debian's 17)
#   OPENSEARCH_VERSION    another version of the server (3.9.0 works, with a JDK of 21 or newer)
#
# Exit: 0, or the command's status; 1 the server could not be had, and why is on standard error.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=${OPENSEARCH_VERSION:-$(sed -n 's:.*<opensearch.version>\(.*\)</.*:\1:p' "$here/pom.xml")}
build=$(realpath -m "${OPENSEARCH_BUILD:-${CARGO_TARGET_DIR:-$here/../../target}/opensearch}/$version")
resolving=400 starting=90 ending=15   # seconds each may take
work='' child='' server_pid=''

fail() { printf 'opensearch: %s\n' "$1" >&2; exit 1; }

java_home=${OPENSEARCH_JAVA_HOME:-}
for candidate in /usr/lib/jvm/java-17-openjdk-*; do
  [ -n "$java_home" ] || [ ! -x "$candidate/bin/javac" ] || java_home=$candidate
done
[ -x "$java_home/bin/javac" ] ||
  fail 'no JDK 17; `make opensearch` installs it, or set OPENSEARCH_JAVA_HOME'

# --- what is served: jars and one class ---------------------------------------------------------

prepare() {
  local wanted
  mkdir -p "$build" || fail "cannot make $build"
  exec {lock}>"$build/lock"
  flock -w "$resolving" "$lock" || fail "another run holds $build/lock for more than $resolving s"
  wanted=$(cat "$here/pom.xml" "$here/Launcher.java" "$java_home/release" | sha256sum)
  if [ "$(cat "$build/made-from" 2>/dev/null)" != "$wanted" ]; then
    command -v mvn >/dev/null || fail 'no Maven; `make opensearch` installs it'
    rm -rf "$build/made-from" "${build:?}/lib" "$build/classes"
    # In the background, here and below, so that a signal is acted on at once.
    JAVA_HOME=$java_home timeout --foreground "$resolving" mvn -B -q -Dstyle.color=never -f "$here/pom.xml" \
      -Dopensearch.version="$version" dependency:copy-dependencies -DoutputDirectory="$build/lib" \
      >"$build/maven.log" 2>&1 {lock}>&- &
    child=$!
    wait "$child" || {
      grep -a 'ERROR' "$build/maven.log" | head -n 1 | sed 's/\x1b\[[0-9;]*m//g' | cut -c1-500 >&2
      fail "Maven could not resolve the server; all it said is in $build/maven.log"
    }
    child=''
    "$java_home/bin/javac" -proc:none -nowarn -d "$build/classes" -cp "$build/lib/*" "$here/Launcher.java" {lock}>&- ||
      fail 'Launcher.java does not compile'
    printf '%s\n' "$wanted" >"$build/made-from"
  fi
  exec {lock}>&-
}

# --- the server ---------------------------------------------------------------------------------

cleanup() {
  local pid=$server_pid tries=0
  trap '' INT TERM HUP
  if [ -n "$child" ]; then kill "$child" 2>/dev/null; wait "$child" 2>/dev/null; fi
  if [ -n "$pid" ]; then
    # The end of its input asks it to close; should it not, it is made to.
    { exec {to_server}>&-; } 2>/dev/null
    while kill -0 "$pid" 2>/dev/null && [ $((tries += 1)) -le $((ending * 10)) ]; do sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  fi
  [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start() {
  local line
  # C1 alone: a test's server lives for seconds. Serial collector: two cores, and a heap of 512 MiB.
  coproc server {
    exec "$java_home/bin/java" -Xms"${OPENSEARCH_HEAP:-512m}" -Xmx"${OPENSEARCH_HEAP:-512m}" -XX:+UseSerialGC \
      -XX:TieredStopAtLevel=1 -Djava.io.tmpdir="$work" -Dtapir.log="$work/log" \
      -cp "$here:$build/classes:$build/lib/*" Launcher "${OPENSEARCH_PORT:-0}" "${OPENSEARCH_DATA:-$work/data}" \
      2>"$work/errors"
  }
  # Bash forgets these once the server ends.
  server_pid=$server_PID to_server=${server[1]} from_server=${server[0]}
  read -r -t "$starting" -u "$from_server" line
  [ $? -le 128 ] || line='late'
  case ${line:-} in
    'ready '[0-9]*) url=http://127.0.0.1:${line#ready };;
    *)
      { head -c 2000 "$work/errors"; grep -s '\]\[ERROR' "$work/log" | tail -n 5 | cut -c1-300; } >&2
      [ "$line" != late ] || fail "the server was not ready within $starting s"
      fail 'the server did not start';;
  esac
}

prepare
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-opensearch.XXXXXX") || exit 1
start
if [ $# -gt 0 ]; then
  OPENSEARCH_URL=$url "$@" <&0 &
  child=$!
  wait "$child"; status=$?
  child=''
  exit "$status"
fi
printf '%s\n' "$url"
while kill -0 "$server_pid" 2>/dev/null; do
  read -r -t 1 _
  status=$?
  [ "$status" -eq 0 ] || [ "$status" -gt 128 ] || exit 0   # above 128: nothing came within the second
done
fail 'the server ended by itself'
