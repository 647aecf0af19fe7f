# SPDX-License-Identifier: ISC
"""The configuration file: canonical form and errors, as a user meets them."""

import os
import re
import shutil
import subprocess

import pytest

from rig import proc

FULL = """\
# a comment
workers 3
on-failure  open
lease 1500ms
mark mask 0x00700000
capture forwarded on { eth1
    wg0 }   # over two lines
capture local user { root 1000-1999 }
exclude to { 192.168.0.0/16 } port 22
exclude proto udp to any port 123
table <lan> { 10.0.0.0/8, fd00::/8 192.0.2.7 }
block proto udp to any port 443 with reset
block from { <lan> 198.51.100.1 } port { 22 8000-8080 } with drop
pass to <lan>
upstream corp http { 192.0.2.9:3128, [fd00::9]:3128 }
upstream rama  proxy-v2 127.0.0.1:8443 names yes
relay proto tcp to any port 443 idle 10m via rama
relay proto tcp to any port 80 via corp
default block
control socket "/tmp/t.sock"
log dir "/tmp/t" keep 30d max 4G
"""
MINIMAL = 'capture forwarded on { eth1 }\n'

# text after MINIMAL; line, column and words of every error that is due
ERRORS = {
    "unknown statement suggests the nearest": (
        "relya proto tcp\n", [(2, 1, "relya", "relay")]),
    "every error is reported": (
        "lease 5x\ndefault relay\nworkers many\n",
        [(2, 7, ""), (4, 9, "")]),
    "unknown table suggests the nearest": (
        "table <intern> { 10.0.0.0/8 }\nblock to <inter>\n",
        [(3, 10, "inter", "intern")]),
    "address with host bits": (
        "block to 10.0.0.1/8\n", [(2, 10, "10.0.0.0/8")]),
    "port out of range": ("block to any port 70000\n", [(2, 19, "")]),
    "range the wrong way round": ("block to any port 9-7\n", [(2, 19, "")]),
    "string without end": ('log dir "/tmp/t\n', [(2, 9, "")]),
    "list without end": ("block to { 10.0.0.1\n", [(2, None, "")]),
    "lease too short": ("lease 10ms\n", [(2, 7, "1s")]),
    "unknown user suggests the nearest": (
        "capture local user { 7 rooot }\n", [(2, 24, "rooot", "root")]),
    "uid that stands for no user": (
        "capture local user 4294967295\n", [(2, 20, "4294967294")]),
    "range of users the wrong way round": (
        "capture local user 20-10\n", [(2, 20, "20-10")]),
    "whole host and users": (
        "capture local\ncapture local user 7\n",
        [(3, 1, "whole host", "2:1")]),
    "exclusion of nothing in particular": (
        "exclude\n", [(2, 1, "to any")]),
    "selector that an exclusion lacks": (
        "exclude to ::1 with drop\n", [(2, 16, "with", "exclude")]),
    "exclusion of an unknown table": (
        "table <lan> { }\nexclude to <lon>\n", [(3, 12, "lon", "lan")]),
    "unknown upstream suggests the nearest": (
        "upstream corp http 192.0.2.9:3128\nrelay to ::1 via crop\n",
        [(3, 18, "crop", "corp")]),
    "upstream without a port": (
        "upstream corp http 192.0.2.9\n", [(2, 20, "192.0.2.9", "1080")]),
    "upstream of an unknown kind": (
        "upstream corp sock5 192.0.2.9:1\n", [(2, 15, "sock5", "socks5")]),
    "upstream that is given names or not": (
        "upstream corp http 192.0.2.9:1 names ys\n",
        [(2, 38, "ys", "yes or no", "yes")]),
    "user without a password": (
        'upstream corp http 192.0.2.9:1 user "u"\n',
        [(2, 32, "password-file")]),
    "statement twice": ("lease 2s\nlease 3s\n", [(3, None, "lease")]),
}


def check(build, folder, text, stdout=subprocess.PIPE):
    """tpxd -n on a text; a CompletedProcess."""
    path = folder / "tpx.conf"
    path.write_text(text)
    for parent in [path, *list(path.parents)[:-2]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    return subprocess.run([build / "tpxd", "-n", "-f", path], text=True,
                          stdout=stdout, stderr=subprocess.PIPE, timeout=10,
                          stdin=subprocess.DEVNULL)


def test_canonical_form_round_trips(build, tmp_path):
    first = check(build, tmp_path, FULL)
    assert (first.returncode, first.stderr) == (0, "")
    second = check(build, tmp_path, first.stdout)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == first.stdout
    for words in ("on-failure open", "lease 1500ms", "workers 3",
                  "mark mask 0x00700000", "eth1 wg0",
                  "capture local user { root 1000-1999 }",
                  "exclude to 192.168.0.0/16 port 22",
                  "exclude proto udp port 123", "keep 30d max 4G",
                  "upstream corp http { 192.0.2.9:3128 [fd00::9]:3128 }",
                  "upstream rama proxy-v2 127.0.0.1:8443 names yes",
                  "port 443 via rama idle 10m", "port 80 via corp",
                  "default block", 'control socket "/tmp/t.sock"'):
        assert words in first.stdout, words


def test_canonical_form_states_the_defaults(build, tmp_path):
    done = check(build, tmp_path, MINIMAL)
    assert done.returncode == 0
    for words in ("on-failure closed", "lease 3s", "default relay",
                  "mark mask 0x07000000", "/run/tpx/tpxd.sock",
                  "/var/lib/tpx"):
        assert words in done.stdout, words


@pytest.mark.parametrize("text, due", ERRORS.values(), ids=ERRORS)
def test_errors_say_where_and_what(build, tmp_path, text, due):
    done = check(build, tmp_path, MINIMAL + text)
    assert (done.returncode, done.stdout) == (1, "")
    found = re.findall(r"^.*tpx\.conf:(\d+):(\d+): (.+(?:\n(?!.*tpx\.conf:).*)"
                       r"*)", done.stderr, re.M)
    assert len(found) == len(due), done.stderr
    for (line, column, *words), (at_line, at_column, message) in zip(
            due, found):
        assert int(at_line) == line, done.stderr
        assert column in (None, int(at_column)), done.stderr
        for word in words:
            assert word in message, done.stderr


# what is in a password file, its mode and owners; and why it is refused
PASSWORDS = {
    "of root, for tpx": (b"word\n", 0o640, "root", "tpx", None),
    "of tpx alone": (b"word", 0o400, "tpx", "tpx", None),
    "longest": (b"w" * 255 + b"\n", 0o600, "tpx", "tpx", None),
    "for everybody": (b"word", 0o644, "root", "tpx", "by everybody"),
    "for another group": (b"word", 0o640, "tpx", "root", "another group"),
    "writable by its group": (b"word", 0o660, "root", "tpx", "written"),
    "of another user": (b"word", 0o640, "daemon", "tpx", "another user"),
    "of root alone": (b"word", 0o600, "root", "tpx", "Permission denied"),
    "empty": (b"\n", 0o640, "root", "tpx", "is empty"),
    "too long": (b"w" * 256, 0o640, "root", "tpx", "255 bytes"),
    "two lines": (b"a\nb\n", 0o640, "root", "tpx", "newline inside"),
    "with a NUL": (b"a\0b\n", 0o640, "root", "tpx", "NUL"),
    "missing": (None, 0, "", "", "No such file"),
}


@pytest.mark.parametrize("content, mode, owner, group, due",
                         PASSWORDS.values(), ids=PASSWORDS)
def test_password_files_are_for_tpx_alone(
        build, tmp_path, content, mode, owner, group, due):
    proc.ensure_user()
    path = tmp_path / "corp.pass"
    if content is not None:
        path.write_bytes(content)
        shutil.chown(path, owner, group)
        path.chmod(mode)
    done = check(build, tmp_path, f"{MINIMAL}default relay via corp\n"
                 'upstream corp socks5 192.0.2.9:1080 user "u" '
                 'password-file "corp.pass"\n')
    assert done.returncode == (1 if due else 0), done.stderr
    if due:
        assert f"upstream corp: password file {path}: " in done.stderr
        assert due in done.stderr, done.stderr
    assert 'user "u" password-file "corp.pass"\n' in done.stdout
    assert "word" not in (done.stdout + done.stderr).replace("password", "")


def test_a_password_file_is_a_file(build, tmp_path):
    for name in ("dir", "fifo"):
        (os.mkdir if name == "dir" else os.mkfifo)(tmp_path / name)
        shutil.chown(tmp_path / name, "tpx", "tpx")
        done = check(build, tmp_path, f"{MINIMAL}upstream corp http "
                     f'[::1]:1 user "u" password-file "{tmp_path / name}"\n')
        assert done.returncode == 1
        assert "is no regular file" in done.stderr


def test_error_shows_the_line_and_a_caret(build, tmp_path):
    done = check(build, tmp_path, MINIMAL + "block  tto any\n")
    lines = done.stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if "block  tto any" in line)
    assert lines[at].index("tto") == lines[at + 1].index("^")


def test_statements_of_other_versions_are_refused(build, tmp_path):
    """What this version does not do, it does not accept in silence."""
    for text in ("capture local cgroup x", "exclude cgroup x",
                 "block cgroup x", "log ipfix udp 192.0.2.1:1"):
        done = check(build, tmp_path, f"{MINIMAL}{text}\n")
        assert done.returncode == 1 and ":2:" in done.stderr, text


def test_local_capture_needs_no_interface(build, tmp_path):
    done = check(build, tmp_path, "capture local\ndefault block\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "capture local\n" in done.stdout
    assert "capture forwarded" not in done.stdout


def test_no_capture_at_all_is_an_error(build, tmp_path):
    done = check(build, tmp_path, "default block\n")
    assert done.returncode == 1
    assert "nothing is captured" in done.stderr
    assert "capture local" in done.stderr


def test_exclusion_that_never_matches_warns(build, tmp_path):
    done = check(build, tmp_path, MINIMAL + "default block\n"
                 "exclude from ::1 to 10.0.0.1\n")
    assert done.returncode == 0
    assert re.search(r":3:1: warning: .*never matches", done.stderr)


def test_control_bytes_of_the_file_never_reach_the_terminal(build, tmp_path):
    done = check(build, tmp_path, MINIMAL + "block \x1b[31m\x07 any\n")
    assert done.returncode == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stderr)


def test_good_file_is_good_without_a_place_for_its_canonical_form(
        build, tmp_path):
    assert check(build, tmp_path, FULL, subprocess.DEVNULL).returncode == 0


def test_missing_file_is_one_line(build):
    done = subprocess.run([build / "tpxd", "-n", "-f", "/nonexistent/x"],
                          text=True, capture_output=True, timeout=10)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "/nonexistent/x" in done.stderr


@pytest.mark.parametrize("words", [["-q"], ["-f"], ["surplus"]],
                         ids=lambda words: words[0])
def test_wrong_usage_exits_2(build, words):
    done = subprocess.run([build / "tpxd", *words], text=True,
                          capture_output=True, timeout=10)
    assert done.returncode == 2 and "usage: tpxd" in done.stderr


def test_fifo_as_configuration_is_refused_at_once(build, tmp_path):
    """Nobody writes to it, so whoever opened it to read would wait."""
    path = tmp_path / "tpx.conf"
    os.mkfifo(path)
    for parent in [path, *list(path.parents)[:-2]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run([build / "tpxd", "-n", "-f", path], text=True,
                          capture_output=True, timeout=5)
    assert done.returncode == 1
    assert str(path) in done.stderr
