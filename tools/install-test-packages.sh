#!/usr/bin/env bash
# Installs the Debian packages that the tests use, with apt-get, as root or through sudo.
#
#   tools/install-test-packages.sh           what `npm test` needs
#   tools/install-test-packages.sh --stage   that, and what `npm run test:stage` and `npm run test:package` need
#   tools/install-test-packages.sh --lab     all of that, and what `npm run test:lab` needs
#
# tboot and xen-hypervisor add entries to the boot menu of a machine that has GRUB: use a test machine.
set -euo pipefail

# npm test: rpm and gnupg are asked themselves; tb_polgen and lcp2_mlehash of tboot judge the predicted digests;
# lspci prints what is parsed; xz, gzip, zstd, lz4 and binutils make images; tmux is a terminal; zsh and fish complete, man,
# groff and mandoc take the manual pages.
unit=(
  binutils
  fish
  gnupg
  groff-base
  gzip
  lz4
  man-db
  mandoc
  pciutils
  procps
  rpm
  tboot
  tmux
  util-linux
  xz-utils
  zsh
  zstd
)

# test/stage/initramfs.test.ts downloads dracut, kmod, cpio, kpartx, udev and Debian's smallest kernel with apt-get and unpacks
# them into a tree of its own: installed, they would make an initramfs of this machine.
#
# npm run test:stage: software TPMs with the tools that AEM uses, a LUKS disk, an ext4 device, Xen's real image, a
# compiler for the small library that leads TPM tools to the software TPM, and what the AEM scripts and the program call.
stage=(
  cryptsetup-bin
  dbus
  e2fsprogs
  gcc
  grub-common
  grub-emu
  iproute2
  libc6-dev
  libtss2-dev
  libtss2-tcti-device0
  libtss2-tcti-swtpm0
  openssl
  psmisc
  python3
  socat
  sudo
  swtpm
  swtpm-tools
  systemd
  tpm-tools
  tpm2-tools
  trousers
  xen-hypervisor-4.17-amd64
  xxd
)

# npm run test:package, beside those of the stage: rpmlint; cpio unpacks a package; notify-send and what plays a notification
# daemon on a real D-Bus; Jinja2 and YAML as Salt reads its states; chromium with a font opens the report.
package=(
  chromium
  cpio
  fonts-dejavu-core
  git
  libnotify-bin
  python3-dbus
  python3-gi
  python3-jinja2
  python3-yaml
  rpmlint
)

# npm run test:lab, beside those of the stage: the machine, and what makes its disk.
lab=(
  fdisk
  kmod
  mmdebstrap
  qemu-system-x86
)

packages=("${unit[@]}")
case "${1-}" in
  '') ;;
  --stage) packages+=("${stage[@]}" "${package[@]}") ;;
  --lab) packages+=("${stage[@]}" "${package[@]}" "${lab[@]}") ;;
  *)
    echo "error: $0 takes --stage, --lab or nothing, not $1" >&2
    exit 2
    ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  echo 'all packages for the tests are installed'
  exit 0
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo 'error: the tests need Debian packages, and this is neither root nor is there sudo' >&2
    echo "next:  as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  root=(sudo)
fi

apt_get() {
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get \
    -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --quiet --yes "$@" </dev/null
}

# A mirror that answers badly once is asked again.
for try in 1 2 3; do
  if apt_get update && apt_get install --no-install-recommends "${missing[@]}"; then
    exit 0
  fi
  echo "apt-get failed (try $try of 3)" >&2
  sleep $((try * 5))
done
echo "error: these packages could not be installed: ${missing[*]}" >&2
exit 1
