#!/usr/bin/env python3
"""Plays the measured launch between QEMU's TPM backend and swtpm.

usage: tpm-proxy.py QEMU_SOCKET SWTPM_CONTROL_SOCKET PLAN LOG

QEMU hands the TPM's data channel to swtpm as a file descriptor over the control socket (CMD_SET_DATAFD, SCM_RIGHTS),
and swtpm takes one control connection only. Whoever wants to launch while QEMU runs must stand between the two, and
must pass descriptors, which Node.js cannot: hence Python, for this file alone.

The proxy listens on QEMU_SOCKET and gives swtpm a socket pair of its own as data channel. Right after the firmware's
first successful TPM2_Startup it does what the launch instruction and tboot do: HASH_START, HASH_DATA, HASH_END on the
control channel (PCR 17-22 to zero, 17 extended with the hash of the data), then TPM2_PCR_Extend from locality 2.
PLAN is JSON: {"hash": HEX, "extends": [{"pcr": N, "sha1": HEX, "sha256": HEX}]}, or null for a boot without a launch.

Codes: swtpm's tpm_ioctl.h (control channel, big endian); TPM 2.0 part 2 and 3 (commands).
It ends when QEMU hangs up, when its standard input closes (the test is gone), or at the first thing that goes wrong:
the guest then has no TPM, and the story fails. Every wait is bounded by WAIT_S.
"""
import array
import json
import os
import select
import socket
import struct
import sys
import time

WAIT_S = 60
INIT, SET_LOCALITY, HASH_START, HASH_DATA, HASH_END, SET_DATAFD = 2, 5, 6, 7, 8, 16
STARTUP, PCR_EXTEND = 0x144, 0x182
ALGORITHMS = (("sha1", 0x0004), ("sha256", 0x000B))
EMPTY_PASSWORD = struct.pack(">IHBH", 0x40000009, 0, 0, 0)
BEGAN = time.monotonic()


def say(log, *words):
    print(f"{time.monotonic() - BEGAN:.3f}", *words, file=log, flush=True)


def receive(channel, count):
    data = b""
    while len(data) < count:
        piece = channel.recv(count - len(data))
        if not piece:
            raise EOFError("a channel of the TPM was closed")
        data += piece
    return data


def receive_tpm(channel):
    """One command or response: tag, size (2..6 of the header), code, body."""
    header = receive(channel, 10)
    return header + receive(channel, struct.unpack(">I", header[2:6])[0] - 10)


def code_of(message):
    return struct.unpack(">I", message[6:10])[0]


def extend_command(step):
    digests = b"".join(struct.pack(">H", number) + bytes.fromhex(step[name]) for name, number in ALGORITHMS)
    body = struct.pack(">II", step["pcr"], len(EMPTY_PASSWORD)) + EMPTY_PASSWORD
    body += struct.pack(">I", len(ALGORITHMS)) + digests
    return struct.pack(">HII", 0x8002, 10 + len(body), PCR_EXTEND) + body


class Proxy:
    def __init__(self, qemu, swtpm, plan, log):
        self.qemu, self.swtpm, self.plan, self.log = qemu, swtpm, plan, log
        self.qemu_data = self.swtpm_data = None
        self.locality = 0
        self.launched = False

    def control(self, command, body=b""):
        self.swtpm.sendall(struct.pack(">I", command) + body)
        result = struct.unpack(">I", receive(self.swtpm, 4))[0]
        if result:
            raise RuntimeError(f"swtpm refused control command {command}: {result:#x}")

    def launch(self):
        data = bytes.fromhex(self.plan["hash"])
        self.control(HASH_START)
        for at in range(0, len(data), 4096):
            piece = data[at : at + 4096]
            self.control(HASH_DATA, struct.pack(">I", len(piece)) + piece)
        self.control(HASH_END)
        self.control(SET_LOCALITY, b"\x02")
        for step in self.plan["extends"]:
            self.swtpm_data.sendall(extend_command(step))
            result = code_of(receive_tpm(self.swtpm_data))
            if result:
                raise RuntimeError(f"the TPM refused to extend PCR {step['pcr']}: {result:#x}")
            say(self.log, "extended", step["pcr"], step["sha256"])
        self.control(SET_LOCALITY, bytes([self.locality]))
        say(self.log, "launched")

    def serve_control(self):
        message, ancillary, _, _ = self.qemu.recvmsg(65536, socket.CMSG_SPACE(16))
        if not message:
            raise EOFError("QEMU closed the control channel")
        command = struct.unpack(">I", message[:4])[0]
        if command == SET_DATAFD:
            numbers = array.array("i")
            for _, _, data in ancillary:
                numbers.frombytes(data[: len(data) // 4 * 4])
            self.qemu_data = socket.socket(fileno=numbers[0])
            self.swtpm_data, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            for channel in (self.qemu_data, self.swtpm_data):
                channel.settimeout(WAIT_S)
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
            self.swtpm.sendmsg([message], passed)
            theirs.close()
        else:
            if command == SET_LOCALITY:
                self.locality = message[4]
            if command == INIT:
                say(self.log, "power")
            self.swtpm.sendall(message)
        self.qemu.sendall(self.swtpm.recv(65536))

    def serve_data(self):
        command = receive_tpm(self.qemu_data)
        self.swtpm_data.sendall(command)
        response = receive_tpm(self.swtpm_data)
        if code_of(command) == STARTUP and code_of(response) == 0 and not self.launched:
            self.launched = True
            if self.plan:
                self.launch()
            else:
                say(self.log, "no launch in this boot")
        self.qemu_data.sendall(response)

    def serve(self):
        while True:
            channels = [self.qemu, sys.stdin] + ([self.qemu_data] if self.qemu_data else [])
            for channel in select.select(channels, [], [])[0]:
                if channel is sys.stdin:
                    if not os.read(0, 4096):
                        raise EOFError("the test is gone")
                elif channel is self.qemu:
                    self.serve_control()
                else:
                    self.serve_data()


def main():
    ours, theirs, plan_path, log_path = sys.argv[1:5]
    with open(plan_path) as file:
        plan = json.load(file)
    with open(log_path, "a") as log:
        try:
            swtpm = socket.socket(socket.AF_UNIX)
            swtpm.settimeout(WAIT_S)
            swtpm.connect(theirs)
            listener = socket.socket(socket.AF_UNIX)
            listener.settimeout(WAIT_S)
            listener.bind(ours)
            listener.listen(1)
            print("listening", flush=True)
            qemu, _ = listener.accept()
            qemu.settimeout(WAIT_S)
            Proxy(qemu, swtpm, plan, log).serve()
        except EOFError as end:
            say(log, "end:", end)
        except Exception as error:  # said in the log that the failing story names
            say(log, "failed:", repr(error))
            sys.exit(1)


main()
