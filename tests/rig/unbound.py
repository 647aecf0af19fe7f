# SPDX-License-Identifier: ISC
"""unbound(8), in the foreground, with all of it below the home it is given.

    proxies.configured(namespace, address, port, unbound.conf(
        f"{address}@{port}", "10.74.2.2", "num-threads: 2"), *unbound.ARGV)
"""

ARGV = ("unbound", "-d", "-c")
CONF = """\
server:
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{home}"
  pidfile: ""
  use-syslog: no
  interface: %s
%s
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: %s
"""


def conf(interface, forward, *options):
    """For rig.proxies.configured(); options are lines of its server clause."""
    return CONF % (interface, "\n".join(f"  {line}" for line in options),
                   forward)
