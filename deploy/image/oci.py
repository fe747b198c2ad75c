"""What an OCI image layout is: blobs under their digests, an index that names them.

Source: OCI image format 1.1 (layout, manifest, config, index; artifacts with a subject), POSIX.1-2017 pax, and the record that
GNU tar and containerd know for extended attributes, SCHILY.xattr.NAME. The same entries always give the same bytes: they
are sorted, have one time, owners by number only, and the gzip stream has neither a name nor a time.
"""
import gzip
import hashlib
import io
import json
import pathlib
import tarfile

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
REF = "org.opencontainers.image.ref.name"


def canonical(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class Layout:
    """A layout that is being written."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.blobs = self.root / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (self.root / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))

    def blob(self, data, media_type, **more):
        """Keeps bytes; their descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def json(self, value, media_type, **more):
        return self.blob(canonical(value), media_type, **more)

    def index(self, manifests):
        """The entry point, written last."""
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        (self.root / "index.json").write_bytes(canonical(value))


def read_index(root):
    return json.loads((pathlib.Path(root) / "index.json").read_bytes())


def read_blob(root, descriptor):
    """The bytes of a descriptor, checked against it."""
    kind, digest = descriptor["digest"].split(":", 1)
    if kind != "sha256" or not digest.isalnum():
        raise ValueError(f"{root}: a digest {descriptor['digest']} is not one of this program's")
    data = (pathlib.Path(root) / "blobs" / kind / digest).read_bytes()
    if len(data) != descriptor["size"] or hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{root}: blob {digest} is not what its name says")
    return data


class Tree:
    """The files of a layer, by their paths."""

    def __init__(self, time):
        self.time, self.entries = time, {}

    def add(self, path, data, mode=0o644, owner=0, xattrs=None):
        self.entries[path] = (tarfile.REGTYPE, data, mode, owner, xattrs or {})
        self._parents(path)

    def directory(self, path, mode=0o755, owner=0):
        self.entries[path] = (tarfile.DIRTYPE, b"", mode, owner, {})
        self._parents(path)

    def _parents(self, path):
        for parent in pathlib.PurePosixPath(path).parents:
            if str(parent) != ".":
                self.entries.setdefault(str(parent), (tarfile.DIRTYPE, b"", 0o755, 0, {}))

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(self.entries):
                kind, data, mode, owner, xattrs = self.entries[path]
                info = tarfile.TarInfo(path)
                info.type, info.size, info.mode, info.mtime = kind, len(data), mode, self.time
                info.uid = info.gid = owner
                info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in sorted(xattrs.items())}
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()


def compressed(data):
    return gzip.compress(data, compresslevel=9, mtime=0)


def join(sources, out):
    """One layout of several of a machine each, the images under one index; what refers to each of them comes along."""
    images, referrers, platforms, names = [], [], set(), set()
    layout = Layout(out)
    for source in sources:
        for descriptor in read_index(source)["manifests"]:
            manifest = json.loads(read_blob(source, descriptor))
            parts = [descriptor, manifest["config"], *manifest["layers"]]
            for part in parts:
                layout.blob(read_blob(source, part), part["mediaType"])
            if "artifactType" in manifest:
                referrers.append(descriptor)
                continue
            platform = (descriptor["platform"]["os"], descriptor["platform"]["architecture"])
            if platform in platforms:
                raise ValueError(f"two images are for {'/'.join(platform)}; one for each machine is joined")
            platforms.add(platform)
            names.add(descriptor["annotations"][REF])
            images.append({key: value for key, value in descriptor.items() if key != "annotations"})
    if len(names) != 1:
        raise ValueError(f"images of one version are joined, and these are {', '.join(sorted(names)) or 'none'}")
    images.sort(key=lambda image: image["platform"]["architecture"])
    name = names.pop()
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": images}
    top = layout.json(index, INDEX, annotations={REF: name})
    layout.index([top, *sorted(referrers, key=lambda one: one["digest"])])
    return name, sorted("/".join(platform) for platform in platforms)
