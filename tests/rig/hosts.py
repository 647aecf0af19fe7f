# SPDX-License-Identifier: ISC
"""Programs that find names in a file of the test, and not in /etc/hosts."""

MOUNT = 'mount --bind "$0" /etc/hosts; exec "$@"'


class Hosts:
    """A namespace, with names for its programs: {name: address}."""

    def __init__(self, namespace, path, names):
        path.write_text("".join(f"{address} {name}\n"
                                for name, address in names.items()))
        self._namespace = namespace
        self._prefix = ["unshare", "-m", "sh", "-ec", MOUNT, path]

    def __getattr__(self, name):
        return getattr(self._namespace, name)

    def spawn(self, *argv, **settings):
        return self._namespace.spawn(*self._prefix, *argv, **settings)

    def run(self, *argv, **settings):
        return self._namespace.run(*self._prefix, *argv, **settings)
