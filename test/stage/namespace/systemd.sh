#!/bin/bash
# Becomes a real systemd, as PID 1 of namespaces of its own, with the few units of the test and nothing of this machine.
# Arguments: a folder, node, the built program, the folder with the units.
set -eu
folder=$1 node=$2 product=$3 units=$4
read -r pid _ </proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs "$folder/layers"
for name in usr etc var; do
  mkdir "$folder/layers/$name" "$folder/layers/$name.work"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=$folder/layers/$name,workdir=$folder/layers/$name.work" "/$name"
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /etc/systemd/system
cp -r "$units/." /usr/lib/systemd/stage-units
install -D -m 0755 "$product" /usr/lib/aem-reseal/aem-reseal.mjs
chmod 0755 /usr /usr/lib /usr/lib/aem-reseal
[ -e /usr/bin/node ] || touch /usr/bin/node
[ "$(readlink -f "$node")" = "$(readlink -f /usr/bin/node)" ] || mount --bind "$node" /usr/bin/node
mkdir -p /run/anti-evil-maid
echo "ready $pid"
exec env -i PATH=/usr/sbin:/usr/bin container=stage SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_COLOR=0 \
  SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/system:/usr/lib/systemd/stage-units \
  SYSTEMD_GENERATOR_PATH=/nonexistent SYSTEMD_PROC_CMDLINE='root=/dev/mapper/dom0 aem.uuid=6d2f1c8e' \
  "$(readlink -f /lib/systemd/systemd)" --system --unit=stage.target --show-status=0
