"""What an image is made of, as CycloneDX 1.6.

Crates are those that `cargo tree` says are linked, with the licences that they state and the checksums of Cargo.lock; procedural macros
run in the compiler only and are left out. C that crates carry and compile in is named by what its headers say. npm packages are those
of the lock file that are not for development only. Debian packages are those that own the copied libraries.
Source: CycloneDX 1.6 JSON, package-url.
"""
import base64
import datetime
import functools
import glob
import json
import pathlib
import re
import subprocess
import tomllib
import urllib.parse
import uuid

# C in a crate: its header and what in it is the version.
CARRIED = [
    ("libsqlite3-sys", "sqlite", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION +"([0-9.]+)"', "blessing"),
    ("pcre2-sys", "pcre2", "upstream/include/pcre2.h", r"#define PCRE2_(?:MAJOR|MINOR) +([0-9]+)", "BSD-3-Clause"),
    ("zstd-sys", "zstd", "zstd/lib/zstd.h", r"#define ZSTD_VERSION_(?:MAJOR|MINOR|RELEASE) +([0-9]+)", "BSD-3-Clause"),
]


class Missing(Exception):
    """Something cannot be told; the text says what."""


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def component(kind, name, version, purl, licence=None, hashes=(), properties=()):
    made = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence and licence.startswith("file:"):
        made["licenses"] = [{"license": {"name": licence.removeprefix("file:")}}]
    elif licence:
        # Old manifests have a stroke for OR.
        made["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", licence)}]
    if hashes:
        made["hashes"] = [{"alg": alg, "content": content} for alg, content in hashes]
    if properties:
        made["properties"] = [{"name": name, "value": value} for name, value in properties]
    return made


def crates(root, with_page):
    """Linked crates, our own without checksums."""
    features = ["--features", "ui"] if with_page else []
    tree = run("cargo", "tree", "--locked", "-p", "tapir", "-e", "normal,no-proc-macro", "--prefix", "none",
               *features, "-f", "{p}|{l}", cwd=root)
    lock = tomllib.loads((root / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    found = {}
    for line in tree.splitlines():
        match = re.fullmatch(r"(\S+) v(\S+)( \([^)]*\))?\|([^*]*?)( \(\*\))?", line.strip())
        if not match:
            raise Missing(f"cargo tree says what is not understood: {line}")
        name, version, _, licence, _ = match.groups()
        if (name, version) not in checksums:
            raise Missing(f"{name} {version} is linked and not in Cargo.lock")
        found[name, version] = licence
    if not found:
        raise Missing("cargo tree names no crates")
    made = []
    for (name, version), licence in sorted(found.items()):
        checksum = checksums[name, version]
        purl = f"pkg:cargo/{name}@{urllib.parse.quote(version, safe='')}"
        made.append(component("library", name, version, purl, licence, [("SHA-256", checksum)] if checksum else []))
        for crate, carried, header, pattern, terms in CARRIED:
            if crate == name:
                text = source(root, name, version, header)
                number = ".".join(re.findall(pattern, text))
                if not number:
                    raise Missing(f"{name} {version}: {header} says no version of {carried}")
                made.append(component("library", carried, number, f"pkg:generic/{carried}@{number}", terms,
                                      properties=[("tapir:compiled-in-by", purl)]))
    return made


@functools.cache
def places(root):
    """Where cargo keeps crates, by name and version."""
    packages = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1", cwd=root))["packages"]
    return {(p["name"], p["version"]): pathlib.Path(p["manifest_path"]).parent for p in packages}


def source(root, name, version, file):
    """A file of a crate."""
    path = places(root)[name, version] / file
    if not path.is_file():
        raise Missing(f"{path} is not there: what {name} carries has another place now; correct CARRIED")
    return path.read_text(errors="replace")


def npm(root):
    """Packages that the pages are built of."""
    lock = json.loads((root / "ui" / "package-lock.json").read_text())
    made = []
    for path, package in sorted(lock["packages"].items()):
        if not path or any(package.get(flag) for flag in ("dev", "devOptional", "optional", "link")):
            continue
        name = path.rpartition("node_modules/")[2]
        hashes = []
        if package.get("integrity", "").startswith("sha512-"):
            hashes = [("SHA-512", base64.b64decode(package["integrity"][7:]).hex())]
        # A scope is the namespace of a package-url; its sign is escaped.
        purl = f"pkg:npm/{urllib.parse.quote(name)}@{package['version']}"
        made.append(component("library", name, package["version"], purl, package.get("license"), hashes))
    unique = {one["bom-ref"]: one for one in made}
    return [unique[ref] for ref in sorted(unique)]


def folders(root, components):
    """Packages of others that are linked: name for people, licence, folder."""
    npm_paths = {}
    if any(one["purl"].startswith("pkg:npm/") for one in components):
        lock = json.loads((root / "ui" / "package-lock.json").read_text())["packages"]
        npm_paths = {(path.rpartition("node_modules/")[2], p.get("version")): path for path, p in lock.items() if path}
    for one in components:
        name, version = one["name"], one["version"]
        licence = one.get("licenses", [{}])[0].get("expression")
        if one["purl"].startswith("pkg:cargo/") and one.get("hashes"):
            yield f"{name} {version}", licence, places(root)[name, version]
        elif one["purl"].startswith("pkg:npm/"):
            yield f"{name} {version}", licence, root / "ui" / npm_paths[name, version]


def debian(paths):
    """Packages that own files, each with the file of its terms; nothing on machines without dpkg."""
    found = {}
    for path in paths:
        usr = path if path.startswith("/usr/") else f"/usr{path}"
        candidates = [str(pathlib.Path(path).resolve()), path, usr, usr.removeprefix("/usr")]
        for candidate in dict.fromkeys(candidates):
            done = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True)
            if done.returncode == 0:
                found.setdefault(done.stdout.split(":", 1)[0], []).append(path)
                break
        else:
            raise Missing(f"no package owns {path}; install the library by its package")
    made = []
    for name, owned in sorted(found.items()):
        form = "${Version}\n${Architecture}\n${source:Package}\n${source:Version}\n"
        version, machine, origin, origin_version = run("dpkg-query", "-W", "-f", form, name).split("\n")[:4]
        system = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
        distribution = f"{system['ID']}-{system.get('VERSION_ID', '')}".replace('"', "")
        query = urllib.parse.urlencode({"arch": machine, "distro": distribution})
        purl = f"pkg:deb/{system['ID']}/{name}@{urllib.parse.quote(version, safe='')}?{query}".replace('"', "")
        terms = f"file:/usr/share/doc/{name}/copyright"
        properties = [("tapir:source-package", f"{origin} {origin_version}"), *(("tapir:file", path) for path in sorted(owned))]
        made.append(component("library", name, version, purl, terms, properties=properties))
    return made


def document(root, version, time, binary_digest, libraries, with_page):
    """The whole document. `libraries`: paths of the copied libraries on this machine."""
    if glob.glob("/var/lib/dpkg/status"):
        system = debian(libraries)
    else:
        system = [component("file", pathlib.Path(path).name, "unknown", f"pkg:generic/{pathlib.Path(path).name}")
                  for path in sorted(libraries)]
    components = crates(root, with_page) + (npm(root) if with_page else []) + system
    main = component("application", "tapir", version, f"pkg:generic/tapir@{version}", "Apache-2.0", [("SHA-256", binary_digest)])
    # Our own package is the application itself.
    components = [one for one in components if one["name"] != "tapir"]
    moment = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"timestamp": moment, "component": main},
        "components": components,
        "dependencies": [{"ref": main["bom-ref"], "dependsOn": sorted(one["bom-ref"] for one in components)}],
    }
    # The same content has the same number.
    body["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True)).urn
    return body
