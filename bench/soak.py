#!/usr/bin/env python3
"""Scans one large capture and prints the resident memory while packets go by: it should stay flat.

usage: bench/soak.py BINARY CAPTURE [RULES]

The memory is read from /proc once a second and shown against the bytes read so far. Flat means: the median of
the last third is at most a tenth above that of the middle third. Exit code 1 if it grows.
"""
import os
import re
import statistics
import subprocess
import sys
import time


def status(pid, key):
    with open("/proc/%d/status" % pid) as file:
        found = re.search(r"^%s:\s+(\d+) kB" % key, file.read(), re.M)
    return int(found[1]) / 1024 if found else 0.0


def read_so_far(pid):
    with open("/proc/%d/io" % pid) as file:
        return int(re.search(r"rchar: (\d+)", file.read())[1])


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    binary, capture, rules = sys.argv[1], sys.argv[2], sys.argv[3:4]
    command = [binary, "scan", capture, "--workers", "1", "--no-summary", "--enable", "all", "--stats"]
    if rules:
        command += ["--rules", rules[0]]
    size = os.path.getsize(capture)
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    samples, shown = [], -1
    while child.poll() is None:
        try:
            share, resident = read_so_far(child.pid) / size, status(child.pid, "VmRSS")
        except (FileNotFoundError, TypeError, ProcessLookupError):
            break
        if resident and share > 0.01:
            samples.append((share, resident))
            if int(share * 10) > shown:
                shown = int(share * 10)
                print("%3d %% read, resident %6.1f MiB" % (min(share, 1) * 100, resident), flush=True)
        time.sleep(0.25)
    error = child.stderr.read()
    if child.wait() != 0:
        sys.exit("soak: %s ended with %d: %s" % (" ".join(command), child.returncode, error[-2000:]))
    for line in error.splitlines():
        if re.search(r"\b(packets|flows_created|flows_timed_out|flows_evicted\w*|panics_contained)\b", line):
            print(line.strip())
    middle = [resident for share, resident in samples if 1 / 3 < share <= 2 / 3]
    last = [resident for share, resident in samples if share > 2 / 3]
    if not middle or not last:
        sys.exit("soak: the capture is too small to tell")
    growth = statistics.median(last) / statistics.median(middle)
    print("resident: middle third %.1f MiB, last third %.1f MiB, largest %.1f MiB: %s" % (
        statistics.median(middle), statistics.median(last), max(resident for _, resident in samples),
        "flat" if growth <= 1.1 else "GROWS"))
    sys.exit(growth > 1.1)


if __name__ == "__main__":
    main()
