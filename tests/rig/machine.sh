#!/bin/bash
# SPDX-License-Identifier: ISC
#
# Becomes systemd(1), the first process of a machine of its own: process ids,
# mounts and control groups are its, and its root directory is a copy of this
# one that is thrown away.  The network is that of the caller.
# usage: machine.sh DIRECTORY BUILD, both absolute
#	DIRECTORY	files/ in it is laid over the copy's root; top/ is empty
#	BUILD		a build directory of meson, which is installed
# The caller has unshared what is unshared.
set -euo pipefail

top=$1/top
root=$top/root

# what only the whole machine may do: its other services, kernel settings
spare_wants()
{
	find "$root"/{etc,usr/lib}/systemd/system -name '*.wants' -prune \
		-exec rm -r {} +
}

mount --make-rprivate /
mount -t tmpfs -o mode=0755 machine "$top"
mkdir "$top/upper" "$top/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" \
	machine "$root"
mount -t proc proc "$root/proc"
for global in kernel vm fs; do
	mount --bind "$root/proc/sys/$global" "$root/proc/sys/$global"
	mount -o remount,ro,bind "$root/proc/sys/$global"
done
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=0755 dev "$root/dev"
for node in null zero full random urandom tty; do
	touch "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s pts/ptmx "$root/dev/ptmx" # else PrivateDevices= fails

spare_wants
rm -f "$root/etc/machine-id"
DESTDIR=$root meson install -C "$2" --no-rebuild --quiet
cp -r "$1/files/." "$root"

cd "$root"
mkdir before
pivot_root . before
umount -l before
export container=test # to systemd: do not touch what the kernel shares
exec /lib/systemd/systemd --system --unit=test.target --show-status=no \
	--log-target=journal-or-kmsg
