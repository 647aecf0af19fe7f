# SPDX-License-Identifier: ISC
"""Every source file names its licence at its top."""

LINE = "SPDX-License-Identifier: ISC"
ENDINGS = (".c", ".h", ".def", ".py", ".build", ".sql", ".ini", ".sh")
FOLDERS = ("contrib/", ".ci/", "tests/run", "tests/lint/run")
PLAIN = (".md", ".conf", ".service", ".txt")
BAD = [{"a.c": "int a;\n"}, {"contrib/demo": "#!/bin/sh\n"},
       {"a.py": '"""text"""\n'}]


def check(tree):
    for path in tree.paths:
        script = path.startswith(FOLDERS) and not path.endswith(PLAIN)
        if not path.endswith(ENDINGS) and not script:
            continue
        if not any(LINE in line for line in tree.lines(path)[:2]):
            yield f"{path}: no '{LINE}' in its first lines"
