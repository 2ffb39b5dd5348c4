"""Machines of one's own on this one: network namespaces joined by a bridge that lives in another. Needs root.

Nothing of the host's network is touched: no address, no route, no interface of it.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.image import ROOT

NETWORK = "10.77.0"


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True)


class Network:
    """A switch, and the nodes plugged into it; use as a context."""

    def __init__(self, folder):
        self.folder = folder
        self._prefix = f"gu{os.getpid()}"
        self._switch = f"{self._prefix}-switch"
        self.nodes = []

    def __enter__(self):
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self._switch, "link", "set", "bridge", "up")
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.end()
        ip("netns", "del", self._switch)

    def node(self, name, *hosts):
        """A machine with one address for each host number."""
        port = f"p{len(self.nodes)}"
        made = Node(f"{self._prefix}-{name}", self._switch, port, self.folder / name)
        self.nodes.append(made)
        ip("netns", "add", made.name)
        wire = ("link", "add", port, "netns", self._switch, "type", "veth")
        ip(*wire, "peer", "name", "eth0", "netns", made.name)
        ip("-n", self._switch, "link", "set", port, "master", "bridge", "up")
        for host in hosts:
            made.addresses.append(f"{NETWORK}.{host}")
            ip("-n", made.name, "address", "add", f"{NETWORK}.{host}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip("-n", made.name, "link", "set", link, "up")
        made.folder.mkdir()
        return made


class Node:
    """One machine: its addresses, its folder, its programs."""

    def __init__(self, name, switch, port, folder):
        self.name = name
        self.folder = folder
        self.addresses = []
        self._plug = ("-n", switch, "link", "set", port)
        self._programs = []

    def unplug(self):
        ip(*self._plug, "down")

    def run(self, *command):
        """What a short command prints."""
        words = ["ip", "netns", "exec", self.name, *map(str, command)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def start(self, *arguments, hide=None, **environment):
        """`python arguments…` on this node; `hide`: a folder that other nodes have and this one does not."""
        command = [sys.executable, *map(str, arguments)]
        if hide is not None:  # the mounts of `ip netns exec` are its own
            command = ["sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hide), *command]
        log = self.folder / f"program-{len(self._programs)}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._programs.append(Program(process, log))
        return self._programs[-1]

    def end(self):
        """Kill what runs, and pull the plug for good."""
        for program in self._programs:
            program.kill()
        ip("netns", "del", self.name)


class Program:
    """Something that runs on a node."""

    def __init__(self, process, log: Path):
        self._process = process
        self._log = log

    @property
    def said(self):
        return self._log.read_text()

    def finish(self, timeout_s=120.0):
        return self._process.wait(timeout_s)

    def wait_until(self, happened, timeout_s=60.0):
        give_up = time.monotonic() + timeout_s
        while not happened():
            assert time.monotonic() < give_up, self.said
            assert self._process.poll() is None, self.said
            time.sleep(0.2)

    def kill(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
