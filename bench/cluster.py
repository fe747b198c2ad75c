"""How fast and how light Tapir is in a cluster. Run by cluster.sh, in the node's network namespace.

usage: cluster.py BINARY WORK PREFIX PODS

WORK has kubeconfig.json (of an administrator); PREFIX begins the names of network namespaces that are made here, and removed by cluster.sh.

How the figures are taken:
- to the first packet: a sender writes a UDP datagram to the pod's address every 2 ms; a rule alerts on each; the alert's own time is when the packet
  was captured. From the moment before the interface is set up, and from the moment before the resource is sent to the API server.
- memory: VmRSS of the process, before and after 100 endpoints are attached.
- start: from exec to the last line "inspected for" of the agent's log, all endpoints there.
- CPU: utime and stime of the process over ten idle seconds.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

TAPIR, WORK, PREFIX, PODS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
NAMESPACE = "bench"
RULE = 'alert udp any any -> any 9999 ( msg:"first"; sid:1000001; rev:1; )\n'


class Api:
    """The API server, over one connection."""

    def __init__(self):
        with open(f"{WORK}/kubeconfig.json", encoding="utf-8") as file:
            config = json.load(file)
        server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.address = server["server"].removeprefix("https://")
        context = ssl.create_default_context(cadata=base64.b64decode(server["certificate-authority-data"]).decode())
        if "client-certificate-data" in user:
            for name in ("client-certificate-data", "client-key-data"):
                with open(f"{WORK}/{name}", "wb") as file:
                    file.write(base64.b64decode(user[name]))
            context.load_cert_chain(f"{WORK}/client-certificate-data", f"{WORK}/client-key-data")
        self.token = user.get("token")
        self.connection = http.client.HTTPSConnection(self.address, context=context)

    def call(self, method, path, body=None, kind="application/json"):
        headers = {"Content-Type": kind}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300 and answer.status not in (404, 409):
            sys.exit(f"cluster.py: {method} {path}: {answer.status} {text[:300].decode()}")
        return json.loads(text)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def address(number):
    return f"10.66.{number // 250}.{number % 250 + 1}"


def interface_of(pod):
    return "cali" + hashlib.sha1(f"{NAMESPACE}.{pod}".encode()).hexdigest()[:11]


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) / 1024


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Program:
    """A `tapir` that runs, with its log and its alerts."""

    def __init__(self, name, *arguments):
        self.log, self.out = f"{WORK}/{name}.log", f"{WORK}/{name}.out"
        self.begin = time.time()
        with open(self.log, "wb") as log, open(self.out, "wb") as out:
            self.process = subprocess.Popen([TAPIR, *arguments], stdout=out, stderr=log)
        self.pid = self.process.pid

    def logged(self, pattern):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return len(re.findall(pattern, file.read()))

    def until(self, what, condition, seconds=60):
        end = time.time() + seconds
        while not condition():
            if time.time() > end or self.process.poll() is not None:
                with open(self.log, encoding="utf-8", errors="replace") as file:
                    sys.exit(f"cluster.py: {what} did not happen in {seconds} s; the log ends with\n{file.read()[-1500:]}")
            time.sleep(0.005)

    def end(self):
        self.process.terminate()
        self.process.wait(20)


def kubeconfig():
    with open(f"{WORK}/kubeconfig.json", encoding="utf-8") as file:
        text = file.read()
    path = f"{WORK}/config"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def make_pod(api, number, node="node-1"):
    name = f"pod-{number}"
    api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "bench", "number": str(number)}},
        "spec": {"nodeName": node, "automountServiceAccountToken": False, "containers": [{"name": "c", "image": "example.com/c"}]},
    })
    ip = address(number)
    api.call("PATCH", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/status", {
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}}, "application/merge-patch+json")


def make_interface(number):
    """A pod's link as Calico makes it, down. Taking it up is what is measured."""
    place, name = f"{PREFIX}-{number}", interface_of(f"pod-{number}")
    run("ip", "netns", "add", place)
    run("ip", "-n", f"{PREFIX}-node", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", place)
    run("ip", "-n", place, "addr", "add", f"{address(number)}/32", "dev", "eth0")
    run("ip", "-n", place, "link", "set", "eth0", "up")


def take_up(number):
    name = interface_of(f"pod-{number}")
    run("ip", "link", "set", name, "up")
    run("ip", "route", "add", f"{address(number)}/32", "dev", name, "src", "10.240.0.4")


class Sender:
    """Datagrams to an address, one every 2 ms, until it is told to stop."""

    def __init__(self, number):
        self.stop = False
        self.thread = threading.Thread(target=self.send, args=(address(number),))
        self.thread.start()

    def send(self, to):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self.stop:
                try:
                    sender.sendto(b"x", (to, 9999))
                except OSError:
                    pass
                time.sleep(0.002)

    def end(self):
        self.stop = True
        self.thread.join()


def first_packet(program, number, offset):
    """When the first packet to an address was inspected, from an offset of the alerts on."""
    found = []

    def look():
        with open(program.out, "rb") as file:
            file.seek(offset)
            for line in file:
                if line.endswith(b"\n") and address(number).encode() + b'"' in line:
                    text = json.loads(line)["time"]
                    found.append(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
                    return True
        return False

    program.until(f"an alert of {address(number)}", look, 15)
    return found[0]


def row(what, value, goal):
    print(f"| {what} | {value} | {goal} |", flush=True)


def spread(times):
    times = sorted(times)
    return f"median {statistics.median(times):.3f} s, p95 {times[int(len(times) * 0.95) - 1]:.3f} s, most {times[-1]:.3f} s ({len(times)})"


def inspection(name, selector):
    return {"apiVersion": "projectcalico.org/v3", "kind": "DeepPacketInspection",
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"selector": selector}}


DPI = f"/apis/projectcalico.org/v3/namespaces/{NAMESPACE}/deeppacketinspections"


def main():
    api = Api()
    with open(f"{WORK}/one.rules", "w", encoding="ascii") as file:
        file.write(RULE)
    api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    api.call("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}})
    end = time.time() + 20
    while "kind" not in api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default") and time.time() < end:
        time.sleep(0.1)
    time.sleep(1)
    config = kubeconfig()
    arguments = ("agent", "--kubeconfig", config, "--node", "node-1", "--rules", f"{WORK}/one.rules", "--format", "tapir")
    print("| figure | measured | goal |\n| --- | --- | --- |", flush=True)

    agent = Program("agent", *arguments)
    agent.until("the start", lambda: agent.logged("health at"))
    time.sleep(3)
    idle = memory(agent.pid)
    row("memory of an idle agent, one rule", f"{idle:.1f} MiB", "20 MiB plus rules")
    spent = cpu(agent.pid)
    time.sleep(10)
    row("CPU of an idle agent", f"{(cpu(agent.pid) - spent) * 10:.2f} % of a core", "–")

    api.call("POST", DPI, inspection("all", "all()"))
    for number in range(PODS):
        make_pod(api, number)
        make_interface(number)
    time.sleep(2)
    times = []
    before = memory(agent.pid)
    for number in range(min(PODS, 100)):
        sender = Sender(number)
        offset = os.path.getsize(agent.out)
        begin = time.time()
        take_up(number)
        times.append(first_packet(agent, number, offset) - begin)
        sender.end()
    row("interface up to first packet inspected", spread(times), "median 1 s")
    each = (memory(agent.pid) - before) / len(times)
    row("memory of an endpoint that was used", f"{each:.3f} MiB", "1 MiB")
    for number in range(len(times), PODS):
        take_up(number)
    agent.end()

    agent = Program("again", *arguments)
    pattern = r"inspected for"
    agent.until("all endpoints", lambda: agent.logged(pattern) >= PODS)
    row(f"start of an agent with {PODS} endpoints", f"{time.time() - agent.begin:.2f} s", "5 s")

    api.call("DELETE", f"{DPI}/all")
    agent.until("the end of all", lambda: agent.logged("no longer") >= PODS)
    times = []
    for number in range(min(PODS, 100)):
        sender = Sender(number)
        offset = os.path.getsize(agent.out)
        begin = time.time()
        api.call("POST", DPI, inspection(f"one-{number}", f'number == "{number}"'))
        times.append(first_packet(agent, number, offset) - begin)
        sender.end()
    row("resource applied to first packet inspected", spread(times), "median 1 s")

    for number in range(PODS, 5000):
        make_pod(api, number, f"node-{number % 50 + 2}")
    for number in range(len(times), 500):
        api.call("POST", DPI, inspection(f"one-{number}", f'number == "{number}"'))
    time.sleep(5)
    row("memory of the agent, 5,000 pods and 500 inspections in the cluster", f"{memory(agent.pid):.1f} MiB", "–")
    spent = cpu(agent.pid)
    time.sleep(10)
    row("CPU of that agent", f"{(cpu(agent.pid) - spent) * 10:.2f} % of a core", "–")
    agent.end()

    operator = Program("operator", "operator", "--kubeconfig", config, "--identity", "bench")
    operator.until("the DaemonSet", lambda: operator.logged("created: DaemonSet"), 120)
    row("operator, from start to its DaemonSet", f"{time.time() - operator.begin:.2f} s", "–")
    stored = "/apis/crd.projectcalico.org/v1/deeppacketinspections"
    operator.until("both forms", lambda: len(api.call("GET", stored).get("items", [])) >= 500, 240)
    row("operator, from start to both forms of 500 inspections", f"{time.time() - operator.begin:.2f} s", "–")
    time.sleep(15)
    row("memory of the operator, 5,000 pods and 500 inspections", f"{memory(operator.pid):.1f} MiB", "64 MiB")
    spent = cpu(operator.pid)
    time.sleep(10)
    row("CPU of that operator", f"{(cpu(operator.pid) - spent) * 10:.2f} % of a core", "–")
    operator.end()
    print(f"\n{datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores, {subprocess.run([TAPIR, '--version'], capture_output=True, text=True, check=True).stdout.strip()}")


if __name__ == "__main__":
    main()
