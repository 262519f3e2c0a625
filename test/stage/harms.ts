import type { Disk } from './disks.ts'
import type { Stage } from './stage.ts'

/** Something that a reseal must not begin with. */
export type Harm = {
  readonly what: string
  /** Ids of the checks that must not be true. */
  readonly blocked: readonly string[]
  /** Others fail with it. */
  readonly isFirst?: true
  /** It is in the way of AEM's own seal too: seen by the gate before it, or by a step before that. */
  readonly stopsReseal?: 'at-gate' | 'before'
  /** What the words of a failed check tell to do. */
  readonly wayOut: RegExp
  readonly harm: (stage: Stage) => string
  readonly fix: (stage: Stage) => string
}

/** Takes a disk away and shows it again as udev would with another UUID or label. */
function replug(disk: Disk, changes: Partial<Disk> = {}): string {
  const { name, type, uuid, label } = { ...disk, ...changes }
  const plug = '/usr/libexec/stage/plug'
  return `${plug} unplug ${name} && ${plug} plug ${name} ${type} ${uuid} '${label}'`
}

const OTHER_UUID = '3b0c8f0e-6f0f-4a53-8a0e-2f1f7f0c9d11'
const own = (stage: Stage): Disk => stage.devices[0]!.disk
const UNIT = '/run/stage/units/anti-evil-maid-seal.service.state'
const TPM = '/sys/class/tpm/tpm0'

/** What can be wrong with the device, the registers or AEM before a seal; ids as in both gates of the flows. */
export const HARMS: readonly Harm[] = [
  {
    what: 'the device is read-only',
    stopsReseal: 'at-gate',
    blocked: ['device-writable'],
    wayOut: /remount,rw/,
    harm: () => 'mount -o remount,ro /boot',
    fix: () => 'mount -o remount,rw /boot',
  },
  {
    what: 'dom0 keeps no secret',
    blocked: ['secrets-in-dom0'],
    wayOut: /let AEM seal once/,
    harm: () => 'mv /var/lib/anti-evil-maid/aem/secret.txt /root',
    fix: () => 'mv /root/secret.txt /var/lib/anti-evil-maid/aem',
  },
  {
    what: 'the device was never sealed',
    blocked: ['device-sealed'],
    wayOut: /let AEM seal once/,
    harm: () => 'mv /boot/aem/tpms /boot/aem/kept',
    fix: () => 'mv /boot/aem/kept /boot/aem/tpms',
  },
  {
    what: 'a link on the device leads elsewhere',
    blocked: ['device-sealed'],
    wayOut: /let AEM seal once/,
    harm: () => 'mv /boot/aem/tpms /boot/aem/kept; ln -s kept /boot/aem/tpms',
    fix: () => 'rm /boot/aem/tpms; mv /boot/aem/kept /boot/aem/tpms',
  },
  {
    what: 'the token is an old one',
    blocked: ['freshness'],
    wayOut: /let AEM seal once/,
    harm: () => 'cd /var/lib/anti-evil-maid/aem; mv secret.fre /root; head -c 20 /dev/zero >secret.fre',
    fix: () => 'mv /root/secret.fre /var/lib/anti-evil-maid/aem',
  },
  {
    what: 'the device is full',
    stopsReseal: 'at-gate',
    blocked: ['device-space'],
    wayOut: /remove old kernels/,
    harm: () => 'dd if=/dev/zero of=/boot/filler bs=64k 2>/dev/null || :; sync',
    fix: () => 'rm /boot/filler',
  },
  {
    what: 'another stick with the same label is there instead',
    stopsReseal: 'before',
    blocked: ['device-present'],
    isFirst: true,
    wayOut: /plug in that same stick/,
    harm: (stage) => replug(own(stage), { uuid: OTHER_UUID }),
    fix: (stage) => replug(own(stage)),
  },
  {
    what: 'another stick with the same label is there too',
    stopsReseal: 'at-gate',
    blocked: ['device-unique'],
    wayOut: /unplug it/,
    harm: (stage) => replug(stage.luks, { type: 'ext4', uuid: OTHER_UUID, label: 'aem' }),
    fix: (stage) => replug(stage.luks),
  },
  {
    what: 'a register is one that AEM refuses',
    stopsReseal: 'before',
    blocked: ['pcrs-sane'],
    wayOut: /restart with the AEM entry/,
    harm: () =>
      `cp -a ${TPM} /run/kept; cd ${TPM}; [ ! -e pcrs ] || sed -i '/^PCR-19/s/[0-9A-F][0-9A-F]\\b/FF/g; s/^PCR-FF/PCR-19/' pcrs; [ ! -e pcr-sha256 ] || printf 'F%.0s' {1..64} >pcr-sha256/19`,
    fix: () => `cp -a /run/kept/. ${TPM}/; rm -r /run/kept`,
  },
  {
    what: 'AEM is in the middle of a seal',
    stopsReseal: 'before',
    blocked: ['aem-not-waiting'],
    wayOut: /plug it in, or unplug it/,
    harm: () => `cp ${UNIT} /run/kept; echo ActiveState=activating >>${UNIT}`,
    fix: () => `mv /run/kept ${UNIT}`,
  },
  {
    what: 'the device got another label',
    // the files of another label are not there either; on TPM 1.2 AEM's seal took the name of this boot's away
    blocked: [],
    stopsReseal: 'before',
    wayOut: /e2label/,
    harm: (stage) => replug(own(stage), { label: 'aemother' }),
    fix: (stage) => replug(own(stage)),
  },
]
