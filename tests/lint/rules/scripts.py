# SPDX-License-Identifier: ISC
"""Shell scripts pass shellcheck, Python files compile."""

import ast
import subprocess

BAD = [{"a": "#!/bin/sh\nrm -rf $1/x\ncd $2\n"},
       {"b.py": "def f(:\n"}]


def check(tree):
    shell = []
    for path in tree.paths:
        text = tree.text(path)
        first = text.partition("\n")[0]
        if path.endswith(".py") or "python" in first and "#!" in first:
            try:
                ast.parse(text, path)
            except SyntaxError as error:
                yield f"{path}:{error.lineno}: {error.msg}"
        elif first.startswith("#!") and first.endswith("sh"):
            shell.append(path)
    if shell:
        done = subprocess.run(["shellcheck", "-f", "gcc", *shell],
                              cwd=tree.root, capture_output=True, text=True)
        yield from done.stdout.splitlines()
