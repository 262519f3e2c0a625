#!/bin/bash
# PID 1 of one boot phase: builds the view that programs of a dom0 (or of its initramfs) have.
# Arguments: the stage's folder, the phase (initrd | dom0). Settings come from $stage/boot.env.
set -eu
stage=$1 phase=$2
source "$stage/boot.env"
root=$stage/root

read -r pid _ </proc/self/stat
mount --make-rprivate /
mount --rbind "$root" "$root"
[ "$phase" = dom0 ] || mount -o remount,bind,ro "$root"

mount -t proc proc "$root/proc"
mount --bind "$stage/proc/cmdline" "$root/proc/cmdline"
mount --bind "$stage/proc/boot_id" "$root/proc/sys/kernel/random/boot_id"
mount --bind "$stage/proc/stat" "$root/proc/stat"
mount --bind "$stage/proc/osrelease" "$root/proc/sys/kernel/osrelease"

# /sys: real block devices (only the stage's own are listed), made-up TPM and hypervisor
mount -t tmpfs -o mode=0755 tmpfs "$root/sys"
for name in block bus class dev devices firmware fs kernel module power hypervisor; do mkdir "$root/sys/$name"; done
for name in bus dev devices fs kernel module; do mount --rbind "/sys/$name" "$root/sys/$name"; done
mkdir "$root/sys/class/block" "$root/sys/class/tpm"
[ -z "$TPM" ] || { mkdir "$root/sys/class/tpm/tpm0"; mount --bind "$stage/sysfs/tpm0" "$root/sys/class/tpm/tpm0"; }
mount --bind "$stage/sysfs/hypervisor" "$root/sys/hypervisor"
for dev in $REMOVABLE; do mount --bind "$stage/sysfs/removable" "$root/sys/devices/virtual/block/$dev/removable"; done

# /dev: the usual characters, the stage's disks (put there by plug()), the TPM
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for name in null zero full random urandom tty loop-control; do cp -a "/dev/$name" "$root/dev/"; done
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/disk/by-uuid" "$root/dev/disk/by-label" "$root/dev/mapper"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${n%%:*}" "$root/dev/${n##*:}"; done
# real libtss2-tcti-device opens a character device; the one built for the stage reads this file
[ "$TPM" != 2.0 ] || echo "host=127.0.0.1,port=$TPM_PORT" >"$root/dev/tpm0"

# /run lives from the initramfs to dom0 and is empty at power-on
mount --bind "$stage/run" "$root/run"
mkdir -p "$root"/run/{lock,udev/data,systemd/inaccessible,cryptsetup,stage}
[ -e "$root/run/systemd/inaccessible/chr" ] || mknod -m 0 "$root/run/systemd/inaccessible/chr" c 0 0
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
[ "$phase" = dom0 ] || mount -t tmpfs tmpfs "$root/var/lib"

mount --bind "$stage/home" "$root/root"
mount --bind "$NODE" "$root/usr/bin/node"
[ ! -e "$PRODUCT" ] || mount --bind "$PRODUCT" "$root/usr/lib/aem-reseal/aem-reseal.mjs"
cd "$root"
pivot_root . "$root/.outside"
umount -l /.outside
cd /
[ "$phase $TPM" != 'dom0 1.2' ] || /usr/libexec/stage/tpm-device /dev/tpm0 "$TPM_PORT" </dev/null >/dev/null 2>&1 &
echo "ready $pid"
while read -r _ <&0; do :; done
