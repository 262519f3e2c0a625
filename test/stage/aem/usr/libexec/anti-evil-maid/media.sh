# Stand-in for what Anti Evil Maid's programs share; written from the contract in docs, for the stage only.
# Folders, names and messages are AEM's own interface, everything else is not.
AEM_STATE=/var/lib/anti-evil-maid
TPM_LINK=/var/lib/tpm
TPM_FOLDERS=/var/lib/tpms
RUNTIME=/run/anti-evil-maid
SUFFIX_FILE=$RUNTIME/suffix
SRK_FILE=$RUNTIME/srk-password
TPM_SYSFS=/sys/class/tpm/tpm0
FRESHNESS_INDEX=0x454d
FRESHNESS_SLOTS=8
SECRET_KINDS=(txt key otp fre)

say() { printf '%s: %s\n' "${0##*/}" "$1" >&2; }

# With a splash screen, user-facing lines go there and stay out of the journal.
if plymouth --ping 2>/dev/null; then
  tell() { plymouth message --text "$1"; }
else
  tell() { say "$1"; }
fi

kernel_argument() { # every value of key $1 on the kernel command line
  tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"
}

luks_ids() { kernel_argument rd.luks.uuid | sed 's/^luks-//' | sort -u; }

random_hex() { head -c "$1" /dev/random | xxd -p | tr -d '\n'; }

await_device() {
  [ ! -b "$1" ] || return 0
  tell "Waiting for $1 to be connected..."
  until [ -b "$1" ]; do sleep 0.1; done
  tell "$1 connected"
}

await_removal() {
  [ -b "$1" ] || return 0
  tell "Waiting for $1 to be removed..."
  while [ -b "$1" ]; do sleep 0.1; done
  tell "$1 removed"
}

await_enter() { systemd-ask-password --timeout=0 --echo=no 'Press <ENTER> to continue...' >/dev/null; }

whole_disk() { lsblk -snrpo KNAME "$1" | sed -n '$p'; }

is_external() {
  local disk id
  disk=$(whole_disk "$1")
  for id in $(luks_ids); do [ "$disk" != "$(whole_disk "/dev/disk/by-uuid/$id")" ] || return 1; done
}

is_removable() {
  local label
  label=$(lsblk -dnro LABEL "$1")
  case "$label" in
    *.rm=1) return 0 ;;
    *.rm=0) return 1 ;;
    *) [ "$(lsblk -dnro RM "$1" | tr -d ' ')" = 1 ] ;;
  esac
}

slot_of() { cat "$AEM_STATE/aem$1/tpm-freshness-slot" 2>/dev/null; }

# The defect of AEM 4.2.0 is kept: other devices' slots are not seen, so every device gets slot 0.
give_slot() {
  mkdir -p "$AEM_STATE/aem$1"
  echo 0 >"$AEM_STATE/aem$1/tpm-freshness-slot"
}

# What the next boot reads: this device's own copies are replaced, one TPM after the other.
copy_to_media() { # label, where the device is mounted
  local target=$2/aem/tpms id
  tell "Syncing to $2"
  rm -rf "$target"
  for id in "$TPM_FOLDERS"/*; do
    mkdir -p "$target/${id##*/}"
    [ ! -f "$id/system.data" ] || cp "$id/system.data" "$target/${id##*/}/"
    [ ! -d "$id/$1" ] || cp -r "$id/$1" "$target/${id##*/}/"
  done
}

find_tpm() {
  [ -d "$TPM_SYSFS" ] || { tell "$TPM_SYSFS isn't present"; return 1; }
  case "$(cat "$TPM_SYSFS/tpm_version_major")" in
    1) source /usr/libexec/anti-evil-maid/tpm12.sh ;;
    2) source /usr/libexec/anti-evil-maid/tpm2.sh ;;
    *) tell "Unexpected TPM version: $(cat "$TPM_SYSFS/tpm_version_major")"; return 1 ;;
  esac
}
