#!/usr/bin/env python3
"""EVE alert records, one a line on standard input, held against Suricata's names and types of them.

Suricata's own schema (etc/schema.json, GPL-2.0) is in no package registry, so what is here is a table of our own: the members that an alert
record can have, as Suricata 8 documents them, and their types. `kubernetes`, `evidence` and `host`'s meaning are Tapir's additions,
which readers of EVE pass over.
"""
import base64
import ipaddress
import json
import re
import sys

from verdict import Verdict

TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}[+-]\d{4}")


def number(value):
    return type(value) is int and 0 <= value < 2**53


def text(value):
    return isinstance(value, str)


def time(value):
    return text(value) and TIME.fullmatch(value)


def bytes_(value):
    return text(value) and base64.b64decode(value, validate=True) is not None


def ip(value):
    return bool(ipaddress.ip_address(value))


def among(*words):
    return lambda value: value in words


def some(kind):
    return lambda value: isinstance(value, list) and value and all(kind(one) for one in value)


def record(**members):
    return members


FLOW = record(pkts_toserver=number, pkts_toclient=number, bytes_toserver=number, bytes_toclient=number, start=time, src_ip=ip, dest_ip=ip,
              src_port=number, dest_port=number)
QUERY = record(rrname=text, rrtype=text)
RECORD = record(
    timestamp=time, flow_id=number, in_iface=text, event_type=among("alert"), src_ip=ip, src_port=number, dest_ip=ip, dest_port=number,
    ip_v=among(4, 6), proto=text, icmp_type=number, icmp_code=number, vlan=some(number), community_id=text,
    pkt_src=among("wire/pcap", "stream (detect/log)"), pcap_cnt=number, app_proto=text, direction=among("to_server", "to_client"), tx_id=number,
    alert=record(action=among("allowed", "blocked"), gid=number, signature_id=number, rev=number, signature=text, category=text,
                 severity=number, metadata=dict, references=some(text), rule=text,
                 source=record(ip=ip, port=number), target=record(ip=ip, port=number)),
    flow=FLOW, stream=among(0, 1), payload=bytes_, payload_printable=text, payload_length=number, packet=bytes_,
    packet_info=record(linktype=number, linktype_name=text), ether=record(src_mac=text, dest_mac=text, ether_type=number),
    http=record(hostname=text, url=text, http_user_agent=text, http_content_type=text, http_method=text, http_refer=text, protocol=text,
                status=number, length=number, http_port=number),
    dns=record(version=among(2, 3), type=among("request", "response"), id=number, rcode=text, queries=some(QUERY), tx_id=number),
    tls=record(sni=text, version=text, subject=text, issuerdn=text),
    host=text, kubernetes=dict, evidence=dict)
REQUIRED = {"timestamp", "event_type", "alert", "proto"}
REQUIRED_ALERT = {"action", "gid", "signature_id", "rev", "signature", "category", "severity"}


def fits(value, kind, path):
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        for name, inner in value.items():
            if name not in kind:
                yield f"{path}.{name} is no member that Suricata has"
            else:
                yield from fits(inner, kind[name], f"{path}.{name}")
    elif kind is dict:
        if not isinstance(value, dict):
            yield f"{path} is no object"
    else:
        try:
            good = kind(value)
        except (ValueError, TypeError):
            good = False
        if not good:
            yield f"{path} cannot be {json.dumps(value)[:60]}"


def queries(value):
    """`some` knows plain kinds only."""
    for one in value.get("dns", {}).get("queries", []):
        yield from fits(one, QUERY, "dns.queries")


def wrong(document):
    plain = {**document, "dns": {n: v for n, v in document["dns"].items() if n != "queries"}} if "dns" in document else document
    yield from fits(plain, RECORD, "")
    yield from queries(document)
    for missing in (REQUIRED - set(document)) | (REQUIRED_ALERT - set(document.get("alert", {}))):
        yield f"{missing} is missing"
    for name, values in document.get("alert", {}).get("metadata", {}).items():
        if not some(text)(values):
            yield f"alert.metadata.{name} is no list of texts"
    if not 1 <= document["alert"].get("severity", 0) <= 255:
        yield "alert.severity is no priority"


def damaged(document):
    yield "a member that Suricata has not", {**document, "bogus": 1}
    yield "an address that is none", {**document, "src_ip": "10.0.0"}
    yield "another form of time", {**document, "timestamp": "2026-11-24T17:51:24Z"}
    yield "a port as text", {**document, "src_port": "80"}
    yield "no signature", {**document, "alert": {n: v for n, v in document["alert"].items() if n != "signature"}}


Verdict("eve").run((json.loads(line) for line in sys.stdin), wrong, damaged)
