# SPDX-License-Identifier: ISC
"""Calls and words that do not occur."""

import re

ANY = ("",)
C = (".c", ".h")
# endings of files, what must not occur, and why
WORDS = (
    (C, r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\(", "no bound"),
    (C, r"\b(system|popen|alloca|tmpnam|mktemp)\(", "never safe here"),
    (C, r"\btypedef\s+struct\b", "structs keep their tag"),
    (C, r"^\s*//|[;{}]\s*//", "comments are /* */"),
    (C, r"\bPROT_EXEC\s*\|", "no memory becomes code"),
    ((".py",), r"\btime\.sleep\((?!0\.0|POLL_S|pause_s)", "wait for something"),
    (ANY, r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b", "finish it or leave it"),
    (ANY, r"\bpk" r"ill\b|\bkill" r"all\b", "processes end by their pid"),
)
# how a file must not be called
NAMES = r"(^|/)(utils?|misc|helpers?|tpx)\.[ch]$"
BAD = [
    {"a.c": "\tstrcpy(a, b);\n"}, {"a.h": "typedef struct x x_t;\n"},
    {"a.py": "time.sle" "ep(5)\n"}, {"b": "# TO" "DO later\n"},
    {"relay/utils.c": "\n"}, {"a.c": "int a; // b\n"},
]


def check(tree):
    for path in tree.paths:
        if re.search(NAMES, path):
            yield f"{path}: a name that says nothing"
        rows = [(re.compile(word), why) for endings, word, why in WORDS
                if path.endswith(endings)
                and not (why == "no bound" and path.startswith("tests/"))]
        for number, line in enumerate(tree.lines(path), 1):
            for word, why in rows:
                if word.search(line):
                    yield f"{path}:{number}: {line.strip()}: {why}"
