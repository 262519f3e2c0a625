import { type Topic, text } from './block.ts'

export const DEVICES: Topic = {
  name: 'devices',
  help: 'several AEM devices, and freshness slots',
  blocks: [
    text(
      'Every AEM device has its own boot files, its own sealed files and its own PCR 19. `aem-reseal resume` finishes the device you booted from and names the others; exit code 3 says that they are still to do, and `aem-reseal devices` says what each needs. For each of them, while you are still in the boot that was approved:',
    ),
    {
      kind: 'steps',
      items: [
        'plug it in, then `aem-reseal devices refresh aem.NAME` copies the new boot files to it, after asking;',
        '`aem-reseal devices forward-seal aem.NAME` seals its secret for its own next boot: that boot must show it;',
        'restart from it, with TPM 2.0 as the next boot (below). If your secret appears before the passphrase, log in and run `aem-reseal verify` there; if it does not, type nothing and power off.',
      ],
    },
    text(
      'Step 2 is refused unless a launch log can be read, this boot is in the state you accepted, and everything the device would boot is vouched for: signed packages, the kernel and command lines of this boot, an initramfs that this program made or saw measured in a verified boot that showed the secret or was accepted. Without it the first boot from the device shows no secret, and AEM seals to that boot unseen; with `hold` that seal is held, and nothing is there to explain it.',
    ),
    text(
      'All AEM devices carry the same freshness slot number, 0, by a defect of AEM 4.2.0 (`aem-reseal status` shows it as "slot"). Then sealing one makes the tokens of the others invalid: after a boot from one device the next boot from another shows no secret, though nothing was changed on it. What can be done depends on the TPM.',
    ),
    {
      kind: 'list',
      items: [
        'TPM 1.2: `aem-reseal devices repair-slots` gives each device a slot of its own; it asks first, and `aem-reseal resume` offers it too. A device that moved may show no secret at its next boot; AEM seals into the new slot then.',
        "TPM 2.0: it cannot be fixed from here. By a second defect AEM's initrd reads slot 0 alone, and a device with another number would never show its secret again; nothing is moved, and `aem-reseal verify` says so of a device that was. Keep to one AEM device. At each change to another one its own secret cannot appear, and such a boot is as blind as one after an update; unless you seal the other one forward in the boot before, `aem-reseal devices forward-seal aem.NAME`.",
      ],
    },
  ],
}
