#!/usr/bin/env python3
"""Makes an OCI image layout of a built binary, without a container engine.

usage: build.py BINARY OUT-DIR
       build.py --join OUT-DIR LAYOUT-DIR…

OUT-DIR must not exist or be a layout that this program wrote, which is replaced. What is in the image is said in docs/kubernetes/image.md.
The same binary on the same machine gives the same digests: the one time in the image is SOURCE_DATE_EPOCH, or that of the commit.
`--join` puts layouts of one version, each of another machine, under one index.
"""
import hashlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left beside the sources

import oci  # noqa: E402
import sbom  # noqa: E402
import terms  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# crates/operator/src/options.rs
USER = 65532
# e_machine of ELF: what OCI calls it, and its variant.
MACHINES = {62: ("amd64", None), 183: ("arm64", "v8")}
# vfs_cap_data, revision 2: CAP_NET_RAW (13) permitted, nothing inheritable. The bit that puts it in force at once (1) is not
# set: with it the kernel refuses to start the program wherever the capability is not granted, as for manager and operator.
NET_RAW = struct.pack("<5I", 0x02000000, 1 << 13, 0, 0, 0)
CERTIFICATES = pathlib.Path("/usr/share/ca-certificates/mozilla")
BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
PASSWD = f"root:x:0:0:root:/:/sbin/nologin\ntapir:x:{USER}:{USER}:tapir:/var/lib/tapir:/sbin/nologin\n"
GROUP = f"root:x:0:\ntapir:x:{USER}:\n"


class Refused(Exception):
    """An image cannot be made; the text says why and what to do."""


def main(arguments):
    try:
        if arguments[:1] == ["--join"] and len(arguments) >= 3:
            name, platforms = into(arguments[1], lambda out: oci.join(arguments[2:], out))
            print(f"{arguments[1]}: tapir {name} for {', '.join(platforms)}")
        elif len(arguments) == 2 and not arguments[0].startswith("-"):
            into(arguments[1], lambda out: build(pathlib.Path(arguments[0]), out, arguments[1]))
        else:
            print("\n".join(__doc__.splitlines()[2:4]), file=sys.stderr)
            return 2
    except (Refused, sbom.Missing, OSError, ValueError, KeyError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    return 0


def into(place, make):
    """Makes a directory beside its place, then puts it there."""
    place = pathlib.Path(place)
    if place.exists() and not (place / "oci-layout").is_file() and any(place.iterdir()):
        raise Refused(f"{place} is there and no image layout; name another directory")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".image-") as work:
        made = make(pathlib.Path(work) / "layout")
        if place.exists():
            shutil.rmtree(place)
        (pathlib.Path(work) / "layout").rename(place)
    return made


def build(binary, out, place):
    time = commit_time()
    revision = git("rev-parse", "HEAD")
    if revision and git("status", "--porcelain", "--untracked-files=no"):
        revision += "-dirty"
    machine, variant = machine_of(binary)
    stripped = strip(binary)
    version = version_of(binary)
    with_page = re.search(rb"assets/[\w.-]+\.js\.br", stripped) is not None
    libraries = libraries_of(binary)
    digest = hashlib.sha256(stripped).hexdigest()
    parts = sbom.document(ROOT, version, time, digest, sorted({str(real) for real in libraries.values()}), with_page)
    listed = oci.canonical(parts) + b"\n"

    layer = files(time, stripped, libraries, parts, listed).tar()
    packed = oci.compressed(layer)
    layout = oci.Layout(out)
    moment = parts["metadata"]["timestamp"]
    labels = {
        "org.opencontainers.image.title": "tapir",
        "org.opencontainers.image.description": "Deep packet inspection for Kubernetes workloads",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": moment,
        **({"org.opencontainers.image.revision": revision} if revision else {}),
    }
    platform = {"os": "linux", "architecture": machine, **({"variant": variant} if variant else {})}
    config = layout.json({
        "created": moment, **platform,
        "config": {
            "User": f"{USER}:{USER}", "Entrypoint": ["/usr/bin/tapir"], "WorkingDir": "/", "Labels": labels,
            "Env": ["PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": moment, "created_by": "deploy/image/build.py"}],
    }, oci.CONFIG)
    manifest = {
        "schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config,
        "layers": [layout.blob(packed, oci.LAYER)], "annotations": labels,
    }
    image = layout.json(manifest, oci.MANIFEST, platform=platform, annotations={oci.REF: version})
    kind = "application/vnd.cyclonedx+json"
    subject = {key: image[key] for key in ("mediaType", "digest", "size")}
    referrer = layout.json({
        "schemaVersion": 2, "mediaType": oci.MANIFEST, "artifactType": kind, "config": layout.blob(b"{}", oci.EMPTY),
        "layers": [layout.blob(listed, kind, annotations={"org.opencontainers.image.title": "sbom.cdx.json"})],
        "subject": subject, "annotations": {"org.opencontainers.image.created": moment},
    }, oci.MANIFEST, artifactType=kind)
    layout.index([image, referrer])
    print(f"{place}: tapir {version}, linux/{machine}, {'with' if with_page else 'without'} the page, {image['digest']}")
    print(f"  layer {len(packed) / 2**20:.1f} MiB, unpacked {len(layer) / 2**20:.1f} MiB, program {len(stripped) / 2**20:.1f} MiB; "
          f"{len(parts['components'])} components")


def files(time, program, libraries, parts, listed):
    """The file set."""
    tree = oci.Tree(time)
    tree.add("usr/bin/tapir", program, 0o755, xattrs={"security.capability": NET_RAW.decode("ascii")})
    for path, real in libraries.items():
        tree.add(path.lstrip("/"), real.read_bytes(), 0o755)
    tree.add("etc/ssl/certs/ca-certificates.crt", certificates())
    tree.add("etc/passwd", PASSWD.encode())
    tree.add("etc/group", GROUP.encode())
    tree.add("etc/nsswitch.conf", b"hosts: files dns\n")
    tree.directory("etc/tapir")
    tree.directory("var/lib/tapir", 0o755, USER)
    tree.directory("usr/etc/snort/rules")
    tree.directory("tmp", 0o1777)
    tree.directory("proc", 0o555)
    tree.directory("sys", 0o555)
    tree.directory("dev")
    tree.add("usr/share/doc/tapir/LICENSE", (ROOT / "LICENSE").read_bytes())
    tree.add("usr/share/doc/tapir/third-party.txt", terms.document(sbom.folders(ROOT, parts["components"])))
    tree.add("usr/share/doc/tapir/sbom.cdx.json", listed)
    # The terms of the libraries go where they go.
    for one in parts["components"]:
        path = one.get("licenses", [{}])[0].get("license", {}).get("name", "")
        if path.startswith("/usr/share/doc/"):
            tree.add(path.lstrip("/"), pathlib.Path(path).read_bytes())
    return tree


def certificates():
    """Mozilla's authorities as the distribution packages them: not the bundle of this machine, which has those of whoever owns it."""
    if CERTIFICATES.is_dir():
        texts = [path.read_bytes().strip() + b"\n" for path in sorted(CERTIFICATES.glob("*.crt"))]
        if texts:
            return b"".join(texts)
    if BUNDLE.is_file():
        print(f"build.py: {CERTIFICATES} is not there; {BUNDLE} is taken, with whatever was added to it here", file=sys.stderr)
        return BUNDLE.read_bytes()
    print("build.py: this machine has no authorities; the image trusts nobody until some are mounted", file=sys.stderr)
    return b""


def machine_of(binary):
    head = binary.open("rb").read(20)
    if head[:6] != b"\x7fELF\x02\x01":
        raise Refused(f"{binary} is no program for Linux of 64 bits")
    number = struct.unpack_from("<H", head, 18)[0]
    if number not in MACHINES:
        raise Refused(f"{binary} is for a machine that images are not made for (ELF machine {number})")
    here = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine)
    if MACHINES[number][0] != here:
        raise Refused(f"{binary} is for {MACHINES[number][0]} and this machine is {here}: its libraries are not here. "
                      "Build the image there, then join both with --join")
    return MACHINES[number]


def strip(binary):
    with tempfile.TemporaryDirectory() as work:
        target = pathlib.Path(work) / "tapir"
        try:
            done = subprocess.run(["strip", "--strip-all", "-o", target, binary], capture_output=True, text=True)
        except FileNotFoundError:
            raise Refused("strip is not installed; it comes with binutils") from None
        if done.returncode != 0:
            raise Refused(f"strip {binary}: {done.stderr.strip()}")
        return target.read_bytes()


def version_of(binary):
    said = sbom.run(str(binary.resolve()), "--version").split()
    if len(said) != 2 or said[0] != "tapir":
        raise Refused(f"{binary} --version says {' '.join(said)}: that is not tapir")
    return said[1]


def libraries_of(binary):
    """Where the loader looks for each library, and the file that is there."""
    found = {}
    for line in sbom.run("ldd", str(binary.resolve())).splitlines():
        line = line.strip()
        match = re.match(r"(?:\S+ => )?(/\S+) \(0x", line)
        if match:
            found[match[1]] = pathlib.Path(match[1]).resolve()
        elif "not found" in line:
            raise Refused(f"{binary} needs a library that this machine has not: {line}")
    return found


def git(*words):
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit_time():
    told = os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct")
    if not told.isdigit():
        raise Refused("no time for the image: this is no git checkout; set SOURCE_DATE_EPOCH to seconds since 1970")
    return int(told)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
