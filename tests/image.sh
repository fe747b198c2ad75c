#!/usr/bin/env bash
# The image that deploy/image/build.py makes: the same twice, whole, and its program runs in it as it does on a node.
#
# usage: tests/image.sh BINARY
#
# Everything but the digests needs root (chroot, network namespaces, extended attributes); without it that is said, and left out. One line
# per check, then "N passed, N failed, N skipped". Exit 0 only if none failed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
[ $# -eq 1 ] || { sed -n 4p "$0" | cut -c3- >&2; exit 2; }
tapir=$(realpath -e "$1") || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/tapir-image.XXXXXX")
netns=tapir-image-$$
cleanup() { ip netns del "$netns" 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
passed=0 failed=0 skipped=0

# WHAT COMMAND…: the command succeeds.
check() {
  local what=$1
  shift
  if "$@" >"$work/said" 2>&1; then passed=$((passed + 1)); printf 'ok      %s\n' "$what"
  else failed=$((failed + 1)); printf 'FAILED  %s\n' "$what"; tail -n 5 "$work/said" | sed 's/^/        said: /'; fi
}
skip() { skipped=$((skipped + 1)); printf 'skipped %s: %s\n' "$1" "$2"; }
end() { printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"; [ "$failed" = 0 ]; exit; }
# PATTERN COMMAND…: the command says it, whatever its exit code; or 0 and it.
says() { local pattern=$1; shift; "$@" >"$work/out" 2>&1; cat "$work/out"; grep -qE -- "$pattern" "$work/out"; }
does() { local pattern=$1; shift; "$@" >"$work/out" 2>&1 || { cat "$work/out"; return 1; }; cat "$work/out"; grep -qE -- "$pattern" "$work/out"; }
fails() { local pattern=$1; shift; "$@" >"$work/out" 2>&1 && { cat "$work/out"; return 1; }; cat "$work/out"; grep -qE -- "$pattern" "$work/out"; }
build() { "$root/deploy/image/build.py" "$@"; }

# --- the layout --------------------------------------------------------------------------------------

check "an image is made" build "$tapir" "$work/one"
[ "$failed" = 0 ] || end
check "and once more" env TZ=Asia/Tokyo LC_ALL=C "$root/deploy/image/build.py" "$tapir" "$work/two"
check "both are the same to the byte" diff -r "$work/one" "$work/two"
mkdir "$work/other"; : >"$work/other/file"
check "a directory that is no layout is not overwritten" fails "no image layout" build "$tapir" "$work/other"
check "what is no program is refused" fails "no program" build "$0" "$work/three"
cat >"$work/verify.py" <<'PY'
import gzip, hashlib, json, pathlib, sys
root = pathlib.Path(sys.argv[1])
assert json.loads((root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
seen = set()
def blob(descriptor):
    data = (root / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    assert len(data) == descriptor["size"], descriptor
    assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"], descriptor
    seen.add(descriptor["digest"][7:])
    return data
image, referrer = json.loads((root / "index.json").read_text())["manifests"]
manifest = json.loads(blob(image))
config, (layer,) = json.loads(blob(manifest["config"])), manifest["layers"]
tar = gzip.decompress(blob(layer))
assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(tar).hexdigest()]
assert config["config"]["User"] == "65532:65532" and config["config"]["Entrypoint"] == ["/usr/bin/tapir"]
assert (config["os"], config["architecture"]) == (image["platform"]["os"], image["platform"]["architecture"])
artifact = json.loads(blob(referrer))
blob(artifact["config"])
bom = json.loads(blob(artifact["layers"][0]))
assert artifact["subject"]["digest"] == image["digest"]
assert referrer["artifactType"] == artifact["artifactType"] == "application/vnd.cyclonedx+json"
assert seen == {path.name for path in (root / "blobs" / "sha256").iterdir()}, "a blob that nothing names"
refs = [one["bom-ref"] for one in bom["components"]]
assert len(refs) == len(set(refs)) and len(refs) > 100
for one in bom["components"]:
    assert one.get("licenses") or one["name"] == "svelte-toolbelt", one
names = {one["purl"].split("@")[0] for one in bom["components"]}
assert {"pkg:cargo/tokio", "pkg:cargo/rusqlite", "pkg:generic/sqlite", "pkg:generic/pcre2"} <= names
# What only tests or the compiler use is not in the program.
assert not names & {"pkg:cargo/proptest", "pkg:cargo/insta", "pkg:cargo/serde_derive", "pkg:cargo/tempfile"}
hashed = [one for one in bom["components"] if one["purl"].startswith("pkg:cargo/") and "tapir" not in one["name"]]
assert all(one["hashes"][0]["alg"] == "SHA-256" for one in hashed)
(root / "layer.tar").write_bytes(tar)
PY
check "every blob is what its digest and size say, and every one is named" python3 "$work/verify.py" "$work/one"

# --- two machines ------------------------------------------------------------------------------------

# There is one machine here: the other's layout is this one with another name in its platform.
cat >"$work/rename.py" <<'PY'
import json, pathlib, sys
sys.path.insert(0, sys.argv[3])
import oci
source, layout = sys.argv[1], oci.Layout(sys.argv[2])
image = oci.read_index(source)["manifests"][0]
manifest = json.loads(oci.read_blob(source, image))
config = json.loads(oci.read_blob(source, manifest["config"]))
machine = {"architecture": "arm64", "variant": "v8"}
manifest["config"] = layout.json({**config, **machine}, oci.CONFIG)
for layer in manifest["layers"]:
    layout.blob(oci.read_blob(source, layer), oci.LAYER)
layout.index([layout.json(manifest, oci.MANIFEST, platform={"os": "linux", **machine}, annotations=image["annotations"])])
PY
machine=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["manifests"][0]["platform"]["architecture"])' "$work/one/index.json")
if [ "$machine" = amd64 ]; then
  PYTHONDONTWRITEBYTECODE=1 python3 "$work/rename.py" "$work/one" "$work/arm64" "$root/deploy/image"
  check "two layouts are joined" does "linux/amd64, linux/arm64" build --join "$work/both" "$work/one" "$work/arm64"
  check "in any order the same" build --join "$work/both2" "$work/arm64" "$work/one"
  check "to the byte" diff -r "$work/both" "$work/both2"
  check "a machine twice is refused" fails "two images are for linux/amd64" build --join "$work/twice" "$work/one" "$work/two"
  check "the index has both, and what refers to them" python3 - "$work/both" <<'PY'
import hashlib, json, pathlib, sys
root = pathlib.Path(sys.argv[1])
def blob(descriptor):
    data = (root / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
    assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"]
    return json.loads(data)
top, referrer = json.loads((root / "index.json").read_text())["manifests"]
machines = {image["platform"]["architecture"]: image["digest"] for image in blob(top)["manifests"]}
assert set(machines) == {"amd64", "arm64"} and blob(referrer)["subject"]["digest"] == machines["amd64"]
PY
else
  skip "layouts of two machines are joined" "the test's second one is arm64, and so is this machine"
fi

# --- what is in it -----------------------------------------------------------------------------------

if [ "$(id -u)" != 0 ]; then
  echo "image.sh: not root: the image is not unpacked and nothing of it runs"
  skip "the program runs in the image" "needs root"
  end
fi
if findmnt -no OPTIONS -T "$work" 2>/dev/null | grep -qw nosuid; then
  skip "the program runs in the image" "$work is on a file system without capabilities of files (nosuid); set TMPDIR"
  end
fi
chmod 755 "$work"
mkdir "$work/root"
check "GNU tar unpacks it with its attributes" tar --xattrs --xattrs-include='*' --numeric-owner -xpf "$work/one/layer.tar" -C "$work/root"
check "nothing in it is anybody's but root's, and the state tapir's" test "$(find "$work/root" ! -uid 0 -printf '%P %U:%G\n')" = "var/lib/tapir 65532:65532"
check "nothing is writable by all but /tmp" test "$(find "$work/root" -perm -002 -printf '%P %m\n')" = "tmp 1777"
check "no program gains a user" test -z "$(find "$work/root" -type f -perm /6000)"
check "one time is in it" test "$(find "$work/root" -mindepth 1 -printf '%Ts\n' | sort -u | wc -l)" = 1
check "its authorities are none of this machine's own" bash -c '
  for own in /usr/local/share/ca-certificates/*.crt; do
    [ -e "$own" ] || continue
    line=$(sed -n 2p "$own"); ! grep -qF -- "$line" "$1" || { echo "$own is in it"; exit 1; }
  done' - "$work/root/etc/ssl/certs/ca-certificates.crt"
if command -v getcap >/dev/null; then
  check "the program's file may have CAP_NET_RAW" does 'cap_net_raw=p$' getcap "$work/root/usr/bin/tapir"
fi
install -m 644 "$root/demo/attacks.pcap" "$root/rules/tapir-starter.rules" "$work/root/tmp"
inside() { chroot --userspec=65532:65532 "$work/root" /usr/bin/tapir "$@"; }
check "the terms of what is linked come along" bash -c 'grep -q "^tokio [0-9.]*" "$1/tapir/third-party.txt" && grep -q "GNU" "$1/libc6/copyright"' - "$work/root/usr/share/doc"
check "it says its version" does '^tapir [0-9]' inside --version
check "it reads a capture" does '1:[0-9]+:[0-9]+.*\{TCP\}' inside scan /tmp/attacks.pcap
check "it checks rules" does '0 errors' inside rules check /tmp/tapir-starter.rules
# What manager, operator and first container of the agents run as: a program that may gain nothing must still start.
bare() { setpriv --reuid 65532 --regid 65532 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$work/root/usr/bin/tapir" "$@"; }
if command -v setpriv >/dev/null; then
  check "it starts where every capability is dropped" does '^tapir [0-9]' bare --version
  check "also as root with one that is not CAP_NET_RAW" does '^tapir [0-9]' setpriv --bounding-set=-all,+chown --inh-caps=-all --no-new-privs "$work/root/usr/bin/tapir" --version
else
  skip "it starts where every capability is dropped" "setpriv is not installed"
fi
if ip netns add "$netns" 2>/dev/null && ip -n "$netns" link set lo up; then
  watch() { ip netns exec "$netns" chroot --userspec=65532:65532 "$work/root" "$@" watch lo --duration 1; }
  check "as that user, with nothing but what its file gives, it opens a packet socket" does 'packets' watch /usr/bin/tapir
  # A copy loses the attribute.
  install -m 755 "$work/root/usr/bin/tapir" "$work/root/tmp/without"
  check "a copy without it says what is missing" fails 'CAP_NET_RAW' watch /tmp/without
else
  skip "it opens a packet socket" "network namespaces cannot be made here"
fi
end
