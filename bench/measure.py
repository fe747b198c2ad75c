#!/usr/bin/env python3
"""Runs Tapir and Suricata over captures in alternation on one core and writes the comparison.

Called by run.sh. The figure to compare is capture bytes per CPU second (user and system time of the
process, less that of a run over a capture of one ARP frame just before, which is the start-up): other
programs on the machine disturb it less than they disturb wall time. Medians of the runs. The speed of a shared
machine drifts, so programs are compared round by round, and the median of these ratios is shown.

Both inspect without depth limits: Tapir has none by default, Suricata's are set to 0.
"""
import argparse
import collections
import datetime
import os
import platform
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
SID = re.compile(rb"\[\*\*\] \[(\d+):(\d+):\d+\]")
HTTP_PORTS = (
    "36,80,81,82,83,84,85,86,87,88,89,90,311,383,591,593,631,901,1220,1414,1741,1830,2301,2381,2809,3037,3128,"
    "3702,4343,4848,5250,6988,7000,7001,7144,7145,7510,7777,7779,8000,8008,8014,8028,8080,8085,8088,8090,8118"
)

# Less CPU time than this, in seconds, or than the spread of the start-up gives no rate.
MEASURABLE = 0.02

Run = collections.namedtuple("Run", "cpu wall rss sids")
# A start-up, and right behind it a run over a capture.
Round = collections.namedtuple("Round", "start run")


def engines(args, work):
    """Name, command with {pcap}, file with the alerts (None: standard output)."""
    found = {
        "Tapir": (
            [args.tapir, "scan", "{pcap}", "--workers", "1", "--format", "fast", "--profile", "tapir", "--quiet",
             "--enable", "all", "--rules", args.tapir_rules],
            None,
        )
    }
    suricata = shutil.which("suricata")
    if suricata:
        command = [suricata, "-c", configuration(work), "-r", "{pcap}", "-l", work, "--runmode=single", "-k", "none"]
        rules = args.suricata_rules or "/dev/null"
        settings = {
            "mpm-algo": "hs", "spm-algo": "hs",
            "stream.reassembly.depth": "0",
            "app-layer.protocols.http.libhtp.default-config.request-body-limit": "0",
            "app-layer.protocols.http.libhtp.default-config.response-body-limit": "0",
            "vars.address-groups.HOME_NET": "any", "vars.address-groups.EXTERNAL_NET": "any",
            "vars.address-groups.SIP_SERVERS": "any",
            "vars.port-groups.HTTP_PORTS": "[%s]" % HTTP_PORTS,
        }
        for key, value in settings.items():
            command += ["--set", "%s=%s" % (key, value)]
        found["Suricata"] = (command + ["-S", rules], os.path.join(work, "fast.log"))
    return found


def configuration(work):
    """The packaged suricata.yaml with fast.log as its only output."""
    with open("/etc/suricata/suricata.yaml") as stock:
        lines = stock.read().splitlines()
    kept, inside = [], False
    for line in lines:
        if line.startswith("outputs:"):
            inside = True
            kept += ["outputs:", "  - fast:", "      enabled: yes", "      filename: fast.log", "      append: no"]
        elif inside and re.match(r"[a-z]", line):
            inside = False
        if not inside:
            kept.append(line)
    text = re.sub(r"(?m)^stats:\n  enabled: yes", "stats:\n  enabled: no", "\n".join(kept))
    path = os.path.join(work, "suricata.yaml")
    with open(path, "w") as file:
        file.write(text + "\n")
    return path


def run(command, alerts, core, work):
    """One run, pinned to a core."""
    out = os.path.join(work, "out")
    if alerts and os.path.exists(alerts):
        os.unlink(alerts)
    began = datetime.datetime.now()
    with open(out, "wb") as stdout, open(os.path.join(work, "err"), "wb") as stderr:
        child = subprocess.Popen(command, stdout=stdout, stderr=stderr, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = (datetime.datetime.now() - began).total_seconds()
    if child.returncode != 0:
        with open(os.path.join(work, "err"), errors="replace") as file:
            sys.exit("bench: %s ended with %d: %s" % (" ".join(command), child.returncode, file.read()[-2000:]))
    sids = collections.Counter()
    source = alerts or out
    if os.path.exists(source):
        with open(source, "rb") as file:
            for line in file:
                match = SID.search(line)
                if match:
                    sids["%s:%s" % (match[1].decode(), match[2].decode())] += 1
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, sids)


def packets(path):
    """Packets of a classic pcap file."""
    count = 0
    with open(path, "rb") as file:
        file.read(24)
        while len(head := file.read(16)) == 16:
            file.seek(struct.unpack("<IIII", head)[2], 1)
            count += 1
    return count


def one_frame(path):
    """A capture of one ARP request: what is left of a run over it is start-up."""
    arp = b"\xff" * 6 + b"\x02\0\0\0\0\x01\x08\x06\0\x01\x08\0\x06\x04\0\x01" + b"\0" * 38
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        file.write(struct.pack("<IIII", 1700000000, 0, len(arp), len(arp)) + arp)


def machine(args):
    """What it ran on, in words."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) / 1048576
    version = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()
    names = [" ".join(version(args.tapir, "--version")[:1])]
    commit = version("git", "-C", os.path.dirname(os.path.abspath(__file__)), "describe", "--always", "--abbrev=10", "--dirty")
    names[0] += " (%s)" % commit[0] if commit else ""
    if shutil.which("suricata"):
        names += [re.sub(r"^This is ", "", line) for line in version("suricata", "-V")[:1]]
    return "%s, %d cores, %.0f GiB, Linux %s; %s; load average %.1f at the end; %s" % (
        model, os.cpu_count(), memory, platform.release().split("-")[0], " and ".join(names), os.getloadavg()[0],
        datetime.date.today().isoformat())


def table(rows):
    """A Markdown table, columns aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    def line(row):
        cells = [cell.ljust(width) if at < 2 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(cells) + " |"
    rule = ["-" * width if at < 2 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join([line(rows[0]), "| " + " | ".join(rule) + " |"] + [line(row) for row in rows[1:]])


def figures(results, facts):
    """The comparison, a row for each capture and program."""
    rows = [("capture", "program", "MB per CPU-s", "range", "kpackets per CPU-s", "peak MiB", "alerts", "against Suricata")]
    for capture, by_engine in results.items():
        size, count = facts[capture]
        costs = {}
        for name, rounds in by_engine.items():
            cpu = [max(1e-3, one.run.cpu - one.start.cpu) for one in rounds]
            starts = [one.start.cpu for one in rounds]
            middle = statistics.median(cpu)
            rates = ("–", "–", "–")
            if middle >= max(MEASURABLE, max(starts) - min(starts)):
                costs[name] = cpu
                rates = ("%.0f" % (size / middle / 1e6), "%.0f–%.0f" % (size / max(cpu) / 1e6, size / min(cpu) / 1e6),
                         "%.0f" % (count / middle / 1e3))
            rows.append((os.path.basename(capture).rsplit(".", 1)[0], name) + rates + (
                "%.0f" % statistics.median(one.run.rss for one in rounds), "%d" % sum(rounds[0].run.sids.values()), ""))
        if "Suricata" in costs and "Tapir" in costs:
            ratios = [theirs / ours for ours, theirs in zip(costs["Tapir"], costs["Suricata"])]
            at = len(rows) - len(by_engine)
            rows[at] = rows[at][:-1] + ("%.1f × (%.1f–%.1f)" % (statistics.median(ratios), min(ratios), max(ratios)),)
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    return rows


def differences(results):
    """Rules whose alerts differ: capture, rule, Tapir's and Suricata's count."""
    rows = [("capture", "rule", "Tapir", "Suricata")]
    for capture, by_engine in results.items():
        if "Suricata" not in by_engine:
            continue
        ours, theirs = by_engine["Tapir"][0].run.sids, by_engine["Suricata"][0].run.sids
        for sid in sorted(set(ours) | set(theirs), key=lambda sid: [int(part) for part in sid.split(":")]):
            if ours[sid] != theirs[sid]:
                rows.append((os.path.basename(capture).rsplit(".", 1)[0], sid, str(ours[sid]), str(theirs[sid])))
    return rows


def write_between(path, text):
    """Puts the text between the marks of the document, which keeps its other words."""
    document = "# Benchmarks\n\n%s\n%s\n" % (BEGIN, END)
    if os.path.exists(path):
        with open(path) as file:
            document = file.read()
    if BEGIN not in document or END not in document:
        document += "\n%s\n%s\n" % (BEGIN, END)
    before, rest = document.split(BEGIN, 1)
    behind = rest.split(END, 1)[1]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(before + BEGIN + "\n" + text + "\n" + END + behind)


def startups(results):
    """Medians over all rounds of what it takes to begin."""
    rows = [("start-up", "program", "CPU s", "wall s", "peak MiB")]
    for name in next(iter(results.values())):
        starts = [one.start for by_engine in results.values() for one in by_engine[name]]
        middle = lambda field: statistics.median(getattr(one, field) for one in starts)
        rows.append(("rules and one frame", name, "%.2f" % middle("cpu"), "%.2f" % middle("wall"), "%.0f" % middle("rss")))
    return rows


def report(args, results, facts):
    """The section of the document."""
    lines = [
        "%s. %s; no depth limits; one worker on one core; medians of %d alternating rounds." % (
            machine(args), args.rules_name, args.runs),
        "Traffic at scale %s. CPU time without start-up; ranges are over the rounds." % args.scale,
        "", table(figures(results, facts)), "",
        table(startups(results)),
    ]
    apart = differences(results)
    if len(apart) > 1:
        lines += ["", "Rules whose number of alerts differs:", "", table(apart)]
    elif any("Suricata" in by_engine for by_engine in results.values()):
        lines += ["", "Every rule raised the same number of alerts in both."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tapir", "tapir-rules", "out", "document", "rules-name", "scale"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--suricata-rules")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("captures", nargs="+")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tapir-bench.") as work:
        frame = os.path.join(work, "frame.pcap")
        one_frame(frame)
        programs = engines(args, work)
        results = {}
        for capture in args.captures:
            with open(capture, "rb") as file:   # into the page cache, so that every run finds it there
                while file.read(1 << 24):
                    pass
            results[capture] = {name: [] for name in programs}
            for _ in range(args.runs):
                for name, (command, alerts) in programs.items():
                    over = lambda pcap: run([word.replace("{pcap}", pcap) for word in command], alerts, args.core, work)
                    results[capture][name].append(Round(over(frame), over(capture)))
            print("bench: %s done" % os.path.basename(capture), file=sys.stderr)
        facts = {capture: (os.path.getsize(capture), packets(capture)) for capture in args.captures}
        text = report(args, results, facts)
    print(text)
    write_between(args.document, text)
    print("bench: written to %s" % os.path.relpath(args.document), file=sys.stderr)


if __name__ == "__main__":
    main()
