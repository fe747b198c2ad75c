#!/usr/bin/env python3
"""CEF lines on standard input, read by a parser that takes nothing but what the format allows.

The header has seven fields with `|` and `\\` escaped; an extension is pairs of a known key and a value in which `=`, `\\` and line ends are
escaped. Keys, kinds and lengths are those of ArcSight's dictionary (CEF implementation standard, version 0.1 keys and `c6a*`);
a label stands with its value, and there is none of either alone.
"""
import ipaddress
import re
import sys

from verdict import Verdict


def text(length):
    return lambda value: len(value) <= length


def whole(low, high):
    return lambda value: re.fullmatch(r"-?\d+", value) and low <= int(value) <= high


def address(version):
    def check(value):
        try:
            return ipaddress.ip_address(value).version == version
        except ValueError:
            return False
    return check


def hardware(value):
    return re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", value)


LONG = whole(-2**63, 2**63 - 1)
KEYS = {
    "act": text(63), "app": text(31), "cat": text(1023), "deviceDirection": whole(0, 1), "deviceInboundInterface": text(128),
    "dhost": text(1023), "dmac": hardware, "dntdom": text(255), "dpt": whole(0, 65535), "dst": address(4), "dvchost": text(100),
    "externalId": text(40), "in": LONG, "msg": text(1023), "out": LONG, "proto": text(31), "reason": text(1023), "request": text(1023),
    "requestClientApplication": text(1023), "requestMethod": text(1023), "rt": whole(0, 2**63 - 1), "shost": text(1023), "smac": hardware,
    "sntdom": text(255), "spt": whole(0, 65535), "src": address(4),
    **{f"c6a{n}": address(6) for n in range(1, 5)}, **{f"cn{n}": LONG for n in range(1, 4)}, **{f"cs{n}": text(4000) for n in range(1, 7)},
}
LABELLED = re.compile(r"(c6a|cn|cs|cfp)\d")
HEADER = [("vendor", 63), ("product", 63), ("version", 31), ("event class", 1023), ("name", 512)]


def unescaped(value, allowed, what):
    """The value without escapes. Yields nothing: raises ValueError."""
    if re.search(r"[\x00-\x1f\x7f-\x9f]", value):
        raise ValueError(f"{what}: a control character")
    if re.search(rf"(?<!\\)(?:\\\\)*\\(?![{allowed}])", value):
        raise ValueError(f"{what}: an escape that there is not")
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), value)


def parsed(line):
    found = re.fullmatch(r"CEF:([01])((?:\|(?:[^|\\]|\\.)*){6})\|(.*)", line)
    if not found:
        raise ValueError("no header of seven fields")
    fields = re.findall(r"\|((?:[^|\\]|\\.)*)", found[2])
    for (what, longest), value in zip(HEADER, fields):
        plain = unescaped(value, r"|\\", what)
        if not plain or len(plain) > longest:
            raise ValueError(f"header, {what}: {len(plain)} characters")
    if not whole(0, 10)(fields[5]):
        raise ValueError(f"severity {fields[5]}")
    pairs, rest = {}, found[3]
    starts = [*re.finditer(r"(?:^|(?<= ))([A-Za-z][A-Za-z0-9]*)=", rest)]
    if not starts or starts[0].start() != 0:
        raise ValueError("the extension begins with no key")
    for start, following in zip(starts, [*starts[1:], None]):
        key, value = start[1], rest[start.end():following.start() - 1 if following else None]
        if re.search(r"(?<!\\)(?:\\\\)*=", value):
            raise ValueError(f"{key}: an = that is not escaped")
        if key in pairs:
            raise ValueError(f"{key} twice")
        pairs[key] = unescaped(value, r"\\=nr", key)
    return pairs


def wrong(line):
    try:
        pairs = parsed(line)
    except ValueError as error:
        yield str(error)
        return
    for key, value in pairs.items():
        base = key.removesuffix("Label")
        if base != key and LABELLED.fullmatch(base):
            if base not in pairs:
                yield f"{key} without {base}"
        elif key not in KEYS:
            yield f"unknown key {key}"
        elif not value or not KEYS[key](value):
            yield f"{key} has a value that it cannot have: {value[:60]!r} ({len(value)} characters)"
        if LABELLED.fullmatch(key) and f"{key}Label" not in pairs:
            yield f"{key} without its label"


def damaged(line):
    yield "a key that there is not", line + " nosuchkey=1"
    yield "a severity of 11", re.sub(r"\|\d+\|(?=rt=)", "|11|", line)
    yield "a header field less", line.replace("|tapir|", "|", 1)
    yield "an address that is none", re.sub(r"(src|c6a2)=\S+", r"\1=10.0.0", line)
    yield "a port out of range", re.sub(r"spt=\d+", "spt=70000", line)
    yield "an = that is not escaped", line + "=x"
    yield "a label without a value", line + " cs1Label=x" if "cs1=" not in line else line.replace("cs1=", "msg=", 1)
    yield "a control character", line + "\x01"


if __name__ == "__main__":
    Verdict("cef").run((line.rstrip("\n") for line in sys.stdin), wrong, damaged)
