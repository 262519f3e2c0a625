#!/bin/bash
# A root tree for dracut over the machine's own root, inside a holder's namespaces: what it writes goes into the
# holder's tmpfs, /boot and /lib/modules are the tree's own. Arguments: the holder's folder, the layer, node.
set -eu
stage=$1 layer=$2 node=$3
root=$stage/root
# A layer on the file system below it would overlap with it (overlayfs, ELOOP).
cp -a "$layer/." "$stage/layer/"
mount -t overlay overlay -o "lowerdir=$stage/layer:/,upperdir=$stage/upper,workdir=$stage/work" "$root"
mount -t proc proc "$root/proc"
[ ! -e "$root/proc/modules" ] || mount --bind /dev/null "$root/proc/modules"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
for name in boot run tmp var/tmp; do mount -t tmpfs tmpfs "$root/$name"; done
# dracut takes every modalias below /sys/devices for a device of the machine; this directory stands in for one.
mkdir "$root/run/devices"
mount --bind "$root/run/devices" "$root/sys/devices/breakpoint"
touch "$root/run/node"
mount --bind "$node" "$root/run/node"
