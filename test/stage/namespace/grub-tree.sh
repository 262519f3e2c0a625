#!/bin/bash
# Makes the tree that grub-mkconfig sees, in mount namespaces of its own: an empty /boot, an /etc/grub.d with the named scripts
# of the installed package, and a disk that does not exist (grub-probe is the one program that would ask for a real one).
#
#   grub-tree.sh FOLDER KERNEL XEN SCRIPT...   in FOLDER: default-grub, aem-script, grub-probe; efi/ where the machine is UEFI's
set -eu
folder=$1 kernel=$2 xen=$3
shift 3
scripts=$folder/grub.d
mkdir "$scripts"
for script; do
  [ -x "/etc/grub.d/$script" ] || { echo "/etc/grub.d/$script is missing; next: apt-get install grub-common" >&2; exit 1; }
  cp "/etc/grub.d/$script" "$scripts"
done
install -m 755 "$folder/aem-script" "$scripts/19_linux_xen_aem"
mount --bind "$scripts" /etc/grub.d

mount -t tmpfs tmpfs /etc/default
cp "$folder/default-grub" /etc/default/grub
chmod 755 "$folder/grub-probe"
mount --bind "$folder/grub-probe" /usr/sbin/grub-probe

mount -t tmpfs tmpfs /sys/firmware
[ ! -d "$folder/efi" ] || cp -r "$folder/efi" /sys/firmware

mount -t tmpfs tmpfs /boot
mkdir /boot/grub /boot/aem
: >"/boot/vmlinuz-$kernel"
: >"/boot/initramfs-$kernel.img"
# 20_linux_xen writes entries for kernels that can be a dom0
echo CONFIG_XEN_DOM0=y >"/boot/config-$kernel"
: | gzip >"/boot/xen-$xen.gz"
