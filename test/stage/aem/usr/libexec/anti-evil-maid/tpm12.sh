# TPM 1.2 half of the stand-in: tpm-tools over tcsd.
HASH=sha1sum
DIGEST_BYTES=20

digest_of() { "$HASH" "$1" | cut -d ' ' -f 1; }

# tpm-tools ask on the terminal when there is one; hiding it makes them read standard input
without_terminal() {
  unshare --mount --propagation slave sh -c 'mount --bind /run/systemd/inaccessible/chr /dev/tty && exec "$@"' -- "$@"
}

prepare_tpm_in_dom0() { systemctl start tcsd; }
prepare_tpm_in_initrd() { trousers_changer_identify; }
clear_lockout() { without_terminal tpm_resetdalock <"$AEM_STATE/tpm-owner-pw"; }

srk_is_open() {
  echo "tpm_z_srk: detecting whether SRK is password protected" >&2
  if tpm_sealdata -z </dev/null >/dev/null; then
    echo "tpm_z_srk: no, SRK isn't password protected" >&2
    echo -z
  else
    echo "tpm_z_srk: yes, SRK is password protected" >&2
  fi
}
srk_password_fits() { tpm_sealdata -i /dev/null -o /dev/null <"$SRK_FILE"; }

unusable_registers() {
  local chosen
  chosen=$(grep -oE '\b1[3789]\b' <<<"$SEAL" | paste -sd '|') || true
  grep -E "^PCR-($chosen):( 00| FF){20}" "$TPM_SYSFS/pcrs"
}

store_freshness() {
  local file status
  file=$(mktemp)
  digest_of "$1" | xxd -r -p >"$file"
  tpm_nvwrite -i "$FRESHNESS_INDEX" -n "$(($2 * DIGEST_BYTES))" -s "$DIGEST_BYTES" \
    --password="$(cat "$AEM_STATE/tpm-freshness-pw")" -f "$file"
  status=$?
  rm -f "$file"
  return "$status"
}

freshness_known() {
  local wanted slot file
  wanted=$(digest_of "$1")
  file=$(mktemp)
  for ((slot = 0; slot < FRESHNESS_SLOTS; slot++)); do
    tpm_nvread -i "$FRESHNESS_INDEX" -n "$((slot * DIGEST_BYTES))" -s "$DIGEST_BYTES" -f "$file" >/dev/null
    [ "$wanted" != "$(xxd -p "$file" | tr -d '\n')" ] || return 0
  done
  return 1
}

begin_seal() { true; } # tpm_sealdata binds each blob to the registers by itself

# Without a terminal the cached password is wanted even where the SRK has none: once the runtime folder is gone,
# a seal by hand fails here, with the freshness slot overwritten already.
seal_file() { # srk-open ("-z" or nothing), from, to, folder
  # shellcheck disable=SC2086 # both are lists of options
  { [ -t 0 ] || cat "$SRK_FILE"; } | tpm_sealdata $1 $SEAL -i "$2" -o "$3"
}
unseal_file() {
  # shellcheck disable=SC2086
  tpm_unsealdata $1 -i "$2" -o "$3" <"$SRK_FILE"
}

# The launch of the stage's initramfs leaves no tcsd on the device yet: a raw TPM_Extend goes straight to it.
extend() {
  local answer
  answer=$(printf '00c10000002200000014%08x%s' "$1" "$2" | xxd -r -p | socat -t 5 - TCP:127.0.0.1:2321 | xxd -p | tr -d '\n')
  [ "${answer:12:8}" = 00000000 ]
}

tpm_is_owned() { [ "$(cat "$TPM_SYSFS/owned")" != 0 ]; }

own_tpm() { # owner password, SRK password
  if [ -n "$2" ]; then
    printf '%s\n' "$1" "$1" "$2" "$2" | without_terminal env LC_ALL=C tpm_takeownership
  else
    printf '%s\n' "$1" "$1" | without_terminal env LC_ALL=C tpm_takeownership -z
  fi
}

write_tpm_id() {
  local file
  file=$(mktemp)
  head -c 20 /dev/random >"$file"
  tpm_nvdefine -i 0x7562 -s 20 -p 'WRITEDEFINE|WRITEALL' --pwdo="$1"
  tpm_nvwrite -i 0x7562 -s 20 -f "$file"
  tpm_nvwrite -i 0x7562 -s 0
}

define_freshness() {
  tpm_nvdefine -i "$FRESHNESS_INDEX" -s "$((FRESHNESS_SLOTS * DIGEST_BYTES))" -p AUTHWRITE \
    --pwda="$(cat "$AEM_STATE/tpm-freshness-pw")" --pwdo="$1"
}

adopt_tpm_id() {
  local id
  id=$(tpm_id)
  install -d -m 700 -o tss -g tss "$TPM_FOLDERS/$id"
  systemctl stop tcsd
  mv "$TPM_FOLDERS"/unknown/* "$TPM_FOLDERS/$id/"
  rm -rf "$TPM_FOLDERS/unknown"
  systemctl start tcsd
}
