#!/usr/bin/env python3
"""Hands every packet that comes in at one interface to the other end of another, past that one's own end.

That is what eBPF host routing does (bpf_redirect_peer): a tap on the node's end of a pod's interface then misses what goes to the
pod. For tests only.

usage: redirect-peer.py INTERFACE PEER      prints "attached"; lasts until it is ended

Needs Linux 6.6 (tcx), x86-64 or arm64, and CAP_BPF with CAP_NET_ADMIN. Four instructions, assembled here: r1 = PEER, r2 = 0,
bpf_redirect_peer(r1, r2), exit with its result.
"""
import ctypes
import os
import platform
import signal
import socket
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_LOAD, LINK_CREATE = 5, 28
SCHED_CLS, TCX_INGRESS = 3, 46
REDIRECT_PEER = 155


def bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = libc.syscall(SYS_BPF, command, buffer, len(attributes))
    if result < 0:
        error = ctypes.get_errno()
        sys.exit(f"bpf command {command}: {os.strerror(error)}")
    return result


def main():
    here, peer = (socket.if_nametoindex(name) for name in sys.argv[1:3])
    instruction = lambda code, register, value: struct.pack("<BBhi", code, register, 0, value)
    program = ctypes.create_string_buffer(
        instruction(0xB7, 1, peer) + instruction(0xB7, 2, 0) + instruction(0x85, 0, REDIRECT_PEER) + instruction(0x95, 0, 0)
    )
    licence = ctypes.create_string_buffer(b"GPL")
    load = struct.pack("<IIQQIIQII", SCHED_CLS, 4, ctypes.addressof(program), ctypes.addressof(licence), 0, 0, 0, 0, 0)
    loaded = bpf(PROG_LOAD, load)
    link = bpf(LINK_CREATE, struct.pack("<IIIIIIQ", loaded, here, TCX_INGRESS, 0, 0, 0, 0))
    print("attached", flush=True)
    signal.pause()
    os.close(link)


main()
