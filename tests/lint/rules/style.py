# SPDX-License-Identifier: ISC
"""C is laid out as .clang-format says."""

import collections
import shutil
import subprocess

BAD = [{"a.c": "int\nmain(void) { return 0; }\n"}]


def check(tree):
    paths = tree.matching(".c", ".h")
    program = shutil.which("clang-format-14") or "clang-format"
    if not paths:
        return
    done = subprocess.run([program, "--dry-run", "-Werror", *paths],
                          cwd=tree.root, capture_output=True, text=True)
    if done.returncode:
        places = collections.Counter(
            line.partition(":")[0] for line in done.stderr.splitlines()
            if "error:" in line)
        for path, count in places.items():
            yield f"{path}: {count} places; mend with {program} -i {path}"
