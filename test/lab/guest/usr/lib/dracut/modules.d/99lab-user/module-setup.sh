#!/bin/bash
# Lab only: somebody at the keyboard of the initramfs, and the question for the disk's passphrase.

check() { return 0; }

depends() { echo anti-evil-maid; }

install() {
    local unit
    inst_script "$moddir"/lab-user /sbin/lab-user
    inst_script "$moddir"/lab-passphrase /sbin/lab-passphrase
    inst_multiple cryptsetup sed sleep systemd-ask-password /lib/systemd/systemd-reply-password
    mkdir -p "$initdir$systemdsystemunitdir"/initrd.target.wants
    for unit in lab-user.service lab-passphrase.service; do
        inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
        ln -sf "../$unit" "$initdir$systemdsystemunitdir/initrd.target.wants/$unit"
    done
}
