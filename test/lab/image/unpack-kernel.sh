#!/bin/sh
# A hook of mmdebstrap: Debian's kernel and Xen, downloaded and unpacked into the tree ($1). Installed, their scripts would
# make an initramfs and write boot menus, which the image does itself.
set -eu
cd "$1"
mkdir lab-debs
kernel=$(chroot . apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -n 1)
chroot . sh -c "cd /lab-debs && apt-get -o APT::Sandbox::User=root download $kernel xen-hypervisor-4.17-amd64"
for deb in lab-debs/*.deb; do
  # /lib is a link to usr/lib: plain dpkg-deb --extract would put a folder in its place
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --exclude './usr/share/doc' --exclude './usr/lib/debug'
done
rm -r lab-debs var/lib/apt/lists var/cache/apt usr/share/locale usr/share/doc usr/share/man
