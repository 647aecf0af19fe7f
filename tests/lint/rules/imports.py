# SPDX-License-Identifier: ISC
"""What a Python file imports is there, and used."""

import ast

BAD = [{"tests/a.py": "from b import gone\n", "tests/b.py": "kept = 1\n"},
       {"tests/a/run": "#!/usr/bin/python3\nimport b\nb.gone()\n",
        "tests/a/b.py": "def kept():\n    pass\n"},
       {"tests/a/c.py": "from rig import gone\n", "tests/rig/__init__.py": "",
        "tests/rig/kept.py": ""},
       {"tests/a.py": "import os\nos_name = 'os'\n"}]


def python(tree):
    """Path and syntax of every file that is Python and compiles."""
    for path in tree.paths:
        text = tree.text(path)
        first = text.partition("\n")[0]
        if path.endswith(".py") or "#!" in first and "python" in first:
            try:
                yield path, ast.parse(text, path)
            except SyntaxError:
                pass  # another rule says so


def bound(tree, path):
    """The names that a module has, or a package's modules."""
    if path.endswith("/__init__.py"):
        folder = path.rpartition("/")[0] + "/"
        for other in tree.paths:
            if other.startswith(folder):
                yield other[len(folder):].partition("/")[0].partition(".")[0]
    for node in ast.walk(ast.parse(tree.text(path), path)):
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.alias():
                yield (node.asname or node.name).partition(".")[0]


def found(tree, path, module):
    """Where the module is that a file names, None when not in the project."""
    folder = path.rpartition("/")[0]
    below = module.replace(".", "/")
    for place in (f"{folder}/{below}", f"tests/{below}"):
        for ending in (".py", "/__init__.py"):
            if place + ending in tree.paths:
                return place + ending
    return None


def taken(tree, path, syntax):
    """Line, module's path and name of what a file takes from others."""
    modules = {}
    for node in ast.walk(syntax):
        if isinstance(node, ast.ImportFrom) and not node.level:
            place = found(tree, path, node.module)
            for alias in node.names if place else ():
                yield node.lineno, place, alias.name
                inner = found(tree, path, f"{node.module}.{alias.name}")
                if inner:
                    modules[alias.asname or alias.name] = inner
        elif isinstance(node, ast.Import):
            for alias in node.names:
                place = found(tree, path, alias.name)
                if place:
                    modules[alias.asname or alias.name] = place
    for node in ast.walk(syntax):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            modules.pop(node.id, None)
        elif isinstance(node, ast.arg):
            modules.pop(node.arg, None)
    for node in ast.walk(syntax):
        if (isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in modules):
            yield node.lineno, modules[node.value.id], node.attr


def unused(tree, path, syntax):
    """Line and name of what is imported for nothing.

    Fixtures are used by their names, which their lines say.
    """
    lines = tree.lines(path)
    used = {node.id for node in ast.walk(syntax) if isinstance(node, ast.Name)}
    for node in ast.walk(syntax):
        if (isinstance(node, (ast.Import, ast.ImportFrom))
                and "unused-import" not in lines[node.end_lineno - 1]):
            for alias in node.names:
                name = (alias.asname or alias.name).partition(".")[0]
                if name not in used:
                    yield node.lineno, name


def check(tree):
    names = {}
    for path, syntax in python(tree):
        for line, place, name in taken(tree, path, syntax):
            if place not in names:
                names[place] = set(bound(tree, place))
            if name not in names[place] and not name.startswith("__"):
                yield f"{path}:{line}: {name} is not in {place}"
        for line, name in unused(tree, path, syntax):
            yield f"{path}:{line}: {name} is not used"
