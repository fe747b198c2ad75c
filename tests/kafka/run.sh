#!/usr/bin/env bash
# Starts a real Apache Kafka broker (KRaft, one process) on loopback, for as long as something needs it.
#
# usage: tests/kafka/run.sh [COMMAND [ARGUMENT...]]
#
# With COMMAND: runs it with the variables below set, then ends the broker; the exit status is the command's.
# Without: prints them on one line each and serves until standard input closes or INT, TERM or HUP arrives.
#
#   KAFKA_PLAIN    127.0.0.1:PORT, neither encryption nor users
#   KAFKA_SECURE   localhost:PORT, TLS and users: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
#   KAFKA_MUTUAL   localhost:PORT, TLS that wants a client's certificate
#   KAFKA_CONTROL  127.0.0.1:PORT, where topics are made and read and the broker is crashed: see Launcher.java
#   KAFKA_CERTS    folder of ca.pem, client.pem, client.key
#
# The first run resolves the jars of pom.xml with Maven and compiles Launcher.java; later runs find both in the build
# directory and need neither Maven nor a network. Several may run at once. Nothing is left behind but the build
# directory and Maven's own cache.
#
#   KAFKA_BUILD      build directory (default: ${CARGO_TARGET_DIR:-target}/kafka)
#   KAFKA_DATA       data directory, kept (default: a temporary one, removed)
#   KAFKA_HEAP       heap (default: 512m)
#   KAFKA_JAVA_HOME  the JDK to use (default: Debian's 17)
#   KAFKA_VERSION    another version of the broker
#
# Exit: 0, or the command's status; 1 the broker could not be had, and why is on standard error.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=${KAFKA_VERSION:-$(sed -n 's:.*<kafka.version>\(.*\)</.*:\1:p' "$here/pom.xml")}
build=$(realpath -m "${KAFKA_BUILD:-${CARGO_TARGET_DIR:-$here/../../target}/kafka}/$version")
certificates=$(realpath "$here/../../crates/delivery/src/sinks/syslog/certificates")
resolving=400 starting=90 ending=15   # seconds each may take
crashed=75                            # how the broker ends when it was told to crash
work='' child='' server_pid=''

fail() { printf 'kafka: %s\n' "$1" >&2; exit 1; }

java_home=${KAFKA_JAVA_HOME:-}
for candidate in /usr/lib/jvm/java-17-openjdk-*; do
  [ -n "$java_home" ] || [ ! -x "$candidate/bin/javac" ] || java_home=$candidate
done
[ -x "$java_home/bin/javac" ] || fail 'no JDK 17; `make kafka` installs it, or set KAFKA_JAVA_HOME'

# --- what is served: jars and one class ---------------------------------------------------------

prepare() {
  local wanted
  mkdir -p "$build" || fail "cannot make $build"
  exec {lock}>"$build/lock"
  flock -w "$resolving" "$lock" || fail "another run holds $build/lock for more than $resolving s"
  wanted=$(cat "$here/pom.xml" "$here/Launcher.java" "$java_home/release" | sha256sum)
  if [ "$(cat "$build/made-from" 2>/dev/null)" != "$wanted" ]; then
    command -v mvn >/dev/null || fail 'no Maven; `make kafka` installs it'
    rm -rf "$build/made-from" "${build:?}/lib" "$build/classes"
    # In the background, here and below, so that a signal is acted on at once.
    JAVA_HOME=$java_home timeout --foreground "$resolving" mvn -B -q -Dstyle.color=never -f "$here/pom.xml" \
      -Dkafka.version="$version" dependency:copy-dependencies -DoutputDirectory="$build/lib" \
      >"$build/maven.log" 2>&1 {lock}>&- &
    child=$!
    wait "$child" || {
      grep -a 'ERROR' "$build/maven.log" | head -n 1 | sed 's/\x1b\[[0-9;]*m//g' | cut -c1-500 >&2
      fail "Maven could not resolve the broker; all it said is in $build/maven.log"
    }
    child=''
    "$java_home/bin/javac" -proc:none -nowarn -d "$build/classes" -cp "$build/lib/*" "$here/Launcher.java" {lock}>&- ||
      fail 'Launcher.java does not compile'
    printf '%s\n' "$wanted" >"$build/made-from"
  fi
  exec {lock}>&-
}

# --- the broker ---------------------------------------------------------------------------------

cleanup() {
  local pid=$server_pid tries=0
  trap '' INT TERM HUP
  if [ -n "$child" ]; then kill "$child" 2>/dev/null; wait "$child" 2>/dev/null; fi
  if [ -n "$pid" ]; then
    # The end of its input asks it to close; should it not, it is made to.
    { exec {to_server}>&-; } 2>/dev/null
    while kill -0 "$pid" 2>/dev/null && [ $((tries += 1)) -le $((ending * 10)) ]; do sleep 0.1; done
    [ ! -s "$work/pid" ] || kill -KILL "$(cat "$work/pid")" 2>/dev/null
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  fi
  [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The broker, and again after a crash that was asked for. C1 alone: it lives for seconds. Serial collector: two cores, a small heap.
serve() {
  local status=$crashed
  while [ "$status" -eq "$crashed" ]; do
    "$java_home/bin/java" -Xms"${KAFKA_HEAP:-512m}" -Xmx"${KAFKA_HEAP:-512m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
      -Djava.io.tmpdir="$work" -Dorg.slf4j.simpleLogger.logFile="$work/log" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
      -cp "$build/classes:$build/lib/*" Launcher "${KAFKA_DATA:-$work/data}" "$certificates" <&0 2>>"$work/errors" &
    echo $! >"$work/pid"
    wait $!
    status=$?
    : >"$work/pid"
  done
}

start() {
  local line plain secure mutual control
  coproc server { serve; }
  # Bash forgets these once the broker ends.
  server_pid=$server_PID to_server=${server[1]} from_server=${server[0]}
  read -r -t "$starting" -u "$from_server" line
  [ $? -le 128 ] || line='late'
  case ${line:-} in
    'ready '[0-9]*)
      read -r _ plain secure mutual control <<<"$line"
      export KAFKA_PLAIN=127.0.0.1:$plain KAFKA_SECURE=localhost:$secure KAFKA_MUTUAL=localhost:$mutual
      export KAFKA_CONTROL=127.0.0.1:$control KAFKA_CERTS=$certificates
      ;;
    *)
      { head -c 2000 "$work/errors"; grep -s 'ERROR' "$work/log" | tail -n 5 | cut -c1-300; } >&2
      [ "$line" != late ] || fail "the broker was not ready within $starting s"
      fail 'the broker did not start';;
  esac
}

prepare
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-kafka.XXXXXX") || exit 1
start
if [ $# -gt 0 ]; then
  "$@" <&0 &
  child=$!
  wait "$child"; status=$?
  child=''
  exit "$status"
fi
for name in KAFKA_PLAIN KAFKA_SECURE KAFKA_MUTUAL KAFKA_CONTROL KAFKA_CERTS; do printf '%s=%s\n' "$name" "${!name}"; done
while kill -0 "$server_pid" 2>/dev/null; do
  read -r -t 1 _
  status=$?
  [ "$status" -eq 0 ] || [ "$status" -gt 128 ] || exit 0   # above 128: nothing came within the second
done
fail 'the broker ended by itself'
