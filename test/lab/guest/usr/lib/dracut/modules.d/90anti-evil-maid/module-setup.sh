#!/bin/bash
# Stand-in for AEM's dracut module: puts its unseal, the unit that starts it and all they call into the initramfs.

check() { return 0; }

depends() { echo systemd; }

installkernel() { hostonly='' instmods tpm_tis tpm_crb; }

install() {
    local name
    inst_script "$moddir"/anti-evil-maid-unseal /sbin/anti-evil-maid-unseal
    inst_multiple bash blkid blockdev cat cp cryptsetup cut grep head install lsblk mkdir mktemp modprobe mount \
        openssl paste readlink rm sed sha1sum sha256sum sleep sort systemd-ask-password tail tr trousers_changer_identify \
        udevadm umount xxd tpm2_id \
        tpm2_create tpm2_flushcontext tpm2_load tpm2_nvread tpm2_nvreadpublic tpm2_pcrextend tpm2_pcrread \
        tpm2_policycommandcode tpm2_startauthsession tpm2_unseal
    inst_multiple /usr/libexec/anti-evil-maid/media.sh /usr/libexec/anti-evil-maid/tpm2.sh /etc/ssl/openssl.cnf
    # loaded by name, so dracut does not see that it is needed
    inst_libdir_file 'libtss2-tcti-device.so*'
    inst_multiple "$systemdsystemunitdir"/cryptsetup-pre.target \
        "$systemdsystemunitdir"/anti-evil-maid-unseal.service \
        "$systemdsystemunitdir"/initrd.target.wants/anti-evil-maid-unseal.service
    inst_dir /var/lib/tpms
    for name in root tss; do
        grep -q "^$name:" "$initdir/etc/passwd" || grep "^$name:" /etc/passwd >>"$initdir/etc/passwd"
        grep -q "^$name:" "$initdir/etc/group" || grep "^$name:" /etc/group >>"$initdir/etc/group"
    done
}
