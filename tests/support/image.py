"""The image as far as it goes without Docker: its Dockerfile read, its files laid out, its roles run."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Stage(NamedTuple):
    """One stage: its instructions in order, as (word, rest of the line)."""

    name: str
    steps: list[tuple[str, str]]

    def all(self, word):
        return [rest for name, rest in self.steps if name == word]

    def env(self):
        """Variables that its ENV lines set."""
        words = [word for line in self.all("ENV") for word in shlex.split(line)]
        return dict(word.split("=", 1) for word in words)

    def copies(self):
        """(sources, target) of COPY from the build context."""
        lines = [line.split() for line in self.all("COPY") if not line.startswith("--from")]
        return [(words[:-1], words[-1]) for words in lines]


def stages():
    """The Dockerfile's stages; it has no continued lines."""
    found = []
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            found.append(Stage(rest.partition(" AS ")[2], []))
        found[-1].steps.append((word, rest))
    return found


def lay_out(folder):
    """The image's file system below `folder`: what COPY copies, and nothing else."""
    left_out = shutil.ignore_patterns("__pycache__", "runs", "*.pyc")
    for stage in stages():
        for sources, target in stage.copies():
            place = folder / target.lstrip("/") if target.startswith("/") else folder / "app" / target
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=left_out)
                else:
                    into = place / Path(source).name if target.endswith("/") else place
                    into.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(ROOT / source, into)
    return Image(folder)


class Image:
    """Runs containers: processes that see the image's files before any of this checkout's."""

    def __init__(self, folder, programs=Path(sys.prefix) / "bin"):
        self.app = folder / "app"
        self.runs = folder / "runs"
        self.runs.mkdir(exist_ok=True)
        self._entrypoint = folder / "entrypoint.sh"
        self._programs = programs
        self._count = 0

    def environment(self, **more):
        """What the container's first process gets; /runs is a folder here, and there is no home."""
        env = stages()[-1].env() | {
            "PATH": f"{self._programs}:/usr/bin:/bin",
            "GREENUP_RUNS": str(self.runs),
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
        }
        if self._programs == Path(sys.prefix) / "bin":
            env["PYTHONPATH"] = str(self.app)  # before the checkout that the environment is installed from
        return env | more

    def start(self, *command, **environment):
        """A container with this command, as Docker starts it."""
        self._count += 1
        log = self.runs.parent / f"container-{self._count}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                ["/bin/sh", str(self._entrypoint), *map(str, command)],
                cwd=self.app,
                env=self.environment(**environment),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Container(process, log)


class Container:
    """One process tree; `finish` waits for its end."""

    def __init__(self, process, log):
        self._process = process
        self._log = log

    @property
    def said(self):
        return self._log.read_text()

    def finish(self, timeout_s=90.0):
        return self._process.wait(timeout_s)

    def wait_until(self, happened, timeout_s=40.0):
        give_up = time.monotonic() + timeout_s
        while not happened():
            assert time.monotonic() < give_up, self.said
            assert self._process.poll() is None, self.said
            time.sleep(0.1)

    def terminate(self):
        """`docker stop`: to the first process only."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
