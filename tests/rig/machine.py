# SPDX-License-Identifier: ISC
"""systemd as the first process of a machine in a network namespace.

    with Machine(net.gateway, build, files, ["tpxd.service"]) as machine:
        machine.systemctl("stop", "tpxd.service")

Processes, mounts and control groups are its own.  The root directory is a copy
of this machine's, with tpx installed in it as `meson install' does; no write
gets out.  What files names by its path from the root is laid over it.
"""

import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile

from . import proc

SCRIPT = pathlib.Path(__file__).parent / "machine.sh"
UNSHARED = "--pid --fork --kill-child --mount --uts --ipc --cgroup".split()
# the shell moves itself, so that no process of ours is ever in there
ENTER = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
NEEDED = ["systemd-journald.service", "systemd-sysusers.service"]
RUN_TIMEOUT_S = 40


class Machine:
    """A context; build is meson's directory, wants the units to start."""

    def __init__(self, namespace, build, files, wants):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="tpx-machine-"))
        self._cgroup = _hierarchy() / f"tpx-machine-{secrets.token_hex(4)}"
        wanted = " ".join(NEEDED + wants)
        units = {"etc/systemd/system/test.target":
                 f"[Unit]\nWants={wanted}\nAfter={wanted}\n"}
        (self.home / "top").mkdir()
        for path, text in (units | files).items():
            path = self.home / "files" / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.pid = None
        self._cgroup.mkdir()
        # not by ip-netns(8), which hides the control groups
        self._unshare = proc.Process(
            "nsenter", f"--net=/run/netns/{namespace.name}", "sh", "-c", ENTER,
            self._cgroup, "unshare", *UNSHARED, SCRIPT, self.home, build)

    def __enter__(self):
        try:
            self.pid = proc.wait_until(self._first, what="systemd")
            proc.wait_until(lambda: self.is_active("test.target"),
                            RUN_TIMEOUT_S, "everything is started")
        except BaseException:
            print(self._unshare.output(), self.pid and self.journal())
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        # --kill-child takes all of it along
        self._unshare.popen.kill()
        self._unshare.wait()
        proc.wait_until(self._vanish, what="the machine's end")
        shutil.rmtree(self.home)

    def run(self, *argv, check=True):
        """Run a command in it; a CompletedProcess with text output."""
        words = ["nsenter", "--all", "--target", str(self.pid), "--",
                 *map(str, argv)]
        done = subprocess.run(words, text=True, capture_output=True,
                              timeout=RUN_TIMEOUT_S)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}"
                               f"{done.stderr}\n{self.journal()}")
        return done

    def systemctl(self, *words):
        return self.run("systemctl", "--no-pager", *words).stdout

    def is_active(self, unit):
        return self.run("systemctl", "is-active", unit,
                        check=False).stdout == "active\n"

    def show(self, unit, name):
        """The value of a property, as systemctl(1) shows it."""
        return self.systemctl("show", "--value", "-p", name, unit).strip()

    def journal(self):
        return self.run("journalctl", "--no-pager", "-q", check=False).stdout

    def _first(self):
        """The pid of systemd, which the script becomes."""
        assert self._unshare.running(), self._unshare.output()
        return [pid for pid in proc.children(self._unshare.pid)
                if proc.name(pid) == "systemd"][0]

    def _vanish(self):
        """Remove its control groups, which the last process leaves late."""
        for path, _, _ in os.walk(self._cgroup, topdown=False):
            os.rmdir(path)
        return True


def _hierarchy():
    """Where control groups of version 2 are mounted."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, path, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(path)
    raise LookupError("no cgroup2 is mounted")
