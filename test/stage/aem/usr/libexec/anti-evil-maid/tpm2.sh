# TPM 2.0 half of the stand-in. As AEM does, it talks to the device itself, without a resource manager:
# what is loaded stays loaded until it is flushed.
export TPM2TOOLS_TCTI=device:/dev/tpm0
SRK=0x81000001
HASH=sha256sum
DIGEST_BYTES=32
trap 'tpm2_flushcontext -tls' EXIT

digest_of() { "$HASH" "$1" | cut -d ' ' -f 1; }

prepare_tpm_in_dom0() {
  trousers_changer_migrate || true
  trousers_changer_identify
}
prepare_tpm_in_initrd() { trousers_changer_identify; }
clear_lockout() { tpm2_dictionarylockout -p "$(cat "$AEM_STATE/tpm-owner-pw")" --clear-lockout; }

# "-z" when the SRK has no password. Any failure counts as "has one", as with AEM: a TPM without room too.
srk_is_open() {
  echo "tpm2_z_srk: detecting whether SRK is password protected" >&2
  if echo | tpm2_create -Q -C "$SRK" -i - 2>/dev/null; then
    echo "tpm2_z_srk: no, SRK isn't password protected" >&2
    echo -z
  else
    echo "tpm2_z_srk: yes, SRK is password protected" >&2
  fi
}

srk_auth() { printf 'str:%s' "$(cat "$SRK_FILE")"; }
srk_password_fits() { echo | tpm2_create -Q -C "$SRK" -i - -P "$(srk_auth)"; }

extend() { tpm2_pcrextend "$1:sha256=$2"; }

selection() { # "--pcr 13 --pcr 17" -> "sha256:13,17"
  printf 'sha256:%s' "$(grep -oE '[0-9]+' <<<"$SEAL" | paste -sd ,)"
}

unusable_registers() {
  local chosen
  chosen=$(grep -oE '\b1[3789]\b' <<<"$SEAL" | paste -sd ,) || true
  tpm2_pcrread "sha256:$chosen" | grep -E ': 0x((00){32}|(FF){32})$'
}

store_freshness() { # file with the token, slot
  digest_of "$1" | xxd -r -p |
    tpm2_nvwrite "$FRESHNESS_INDEX" -i - --offset "$(($2 * DIGEST_BYTES))" -P "$(cat "$AEM_STATE/tpm-freshness-pw")"
}

# Reading needs a policy session for TPM2_CC_NV_Read; the index's own password would not do.
freshness_known() {
  local wanted session=$RUNTIME/session slot found=1
  wanted=$(digest_of "$1")
  tpm2_startauthsession -S "$session" --policy-session
  tpm2_policycommandcode -Q -S "$session" TPM2_CC_NV_Read
  for ((slot = 0; slot < FRESHNESS_SLOTS; slot++)); do
    if [ "$wanted" = "$(tpm2_nvread "$FRESHNESS_INDEX" -P "session:$session" --offset "$((slot * DIGEST_BYTES))" \
      -s "$DIGEST_BYTES" | xxd -p | tr -d '\n')" ]; then
      found=0
      break
    fi
  done
  tpm2_flushcontext "$session"
  return "$found"
}

# A new sealing key, bound to what the chosen registers hold now.
begin_seal() {
  local folder=$1 session policy
  session=$(mktemp) policy=$(mktemp)
  tpm2_startauthsession -S "$session"
  tpm2_policypcr -Q -S "$session" -l "$(selection)" -L "$policy"
  tpm2_flushcontext "$session"
  tpm2_flushcontext -t || return 1
  head -c 16 /dev/random |
    tpm2_create -Q -C "$SRK" -P "$(srk_auth)" -L "$policy" -i - -u "$folder/key.pub" -r "$folder/key.priv"
  selection >"$folder/key.pcrs"
  echo >>"$folder/key.pcrs"
  rm -f "$session" "$policy"
}

# direction (-e | -d), folder of the key, from, to: the key comes out of the TPM only under its policy
through_key() {
  local context pcrs
  if [ "$1" = -e ]; then exec 3>&2; else exec 3>/dev/null; fi
  context=$(mktemp)
  pcrs=$(cat "$2/key.pcrs")
  tpm2_load -Q -C "$SRK" -P "$(srk_auth)" --private "$2/key.priv" --public "$2/key.pub" -c "$context" \
    2>&3 || return 1
  tpm2_unseal -Q -c "$context" -p "pcr:$pcrs" | xxd -p | tr -d '\n' |
    openssl enc -aes-256-ctr -pbkdf2 "$1" -kfile - -in "$3" -out "$4" || return 1
  tpm2_flushcontext -t || return 1
  rm -f "$context"
}

seal_file() { through_key -e "$4" "$2" "$3"; } # srk-open, from, to, folder
unseal_file() { through_key -d "$4" "$2" "$3"; }

tpm_is_owned() { ! tpm2_changeauth --quiet -c owner 2>/dev/null; }

own_tpm() { # owner password, SRK password
  local context
  context=$(mktemp)
  tpm2_changeauth -Q -c owner "$1"
  tpm2_changeauth -Q -c lockout "$1"
  tpm2_createprimary -Q -C o -P "$1" -p "$2" -c "$context"
  tpm2_evictcontrol -Q -C o -P "$1" -c "$context" "$SRK"
  tpm2_flushcontext -t
  rm -f "$context"
}

read_policy() { # prints the file that holds the policy "TPM2_NV_Read only"
  local session policy
  session=$(mktemp) policy=$(mktemp)
  tpm2_startauthsession -S "$session"
  tpm2_policycommandcode -Q -S "$session" -L "$policy" TPM2_CC_NV_Read
  tpm2_flushcontext "$session"
  rm -f "$session"
  echo "$policy"
}

write_tpm_id() { # owner password; once written, it is locked for good
  tpm2_nvdefine -Q -s 20 -P "$1" -L "$(read_policy)" 0x7562 -a 'policyread|writedefine|writeall|ownerwrite|ownerread'
  head -c 20 /dev/random | tpm2_nvwrite -Q -C o -P "$1" -i - 0x7562
  tpm2_nvwritelock -C o -P "$1" 0x7562
}

define_freshness() { # owner password
  tpm2_nvdefine -Q "$FRESHNESS_INDEX" -L "$(read_policy)" -a 'policyread|authread|authwrite' \
    -s "$((FRESHNESS_SLOTS * DIGEST_BYTES))" -P "$1" -p "$(cat "$AEM_STATE/tpm-freshness-pw")"
}

adopt_tpm_id() { mkdir -p "$TPM_FOLDERS/$(tpm2_id)"; }
