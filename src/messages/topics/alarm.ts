import { head, type Topic, text } from './block.ts'

/** One page of 58 lines of 80 characters. */
export const ALARM: Topic = {
  name: 'alarm',
  help: 'UNEXPLAINED CHANGE, or your secret did not appear: what to do',
  blocks: [
    head('Your secret had to appear, and did not'),
    text(
      'It was sealed forward, or no update was pending. (In the first boot after `hold` and `plain` it does not appear: no alarm.)',
    ),
    {
      kind: 'steps',
      items: [
        'Type nothing and power off. Your disk passphrase is still yours.',
        'Go on at 4 below. If you typed the passphrase all the same, go on at 1.',
      ],
    },
    head('UNEXPLAINED CHANGE (exit 4)'),
    text('The update you confirmed does not account for what booted. Nothing is sealed by this program.'),
    {
      kind: 'steps',
      items: [
        'Photograph the screen and power off. Type no passphrase or other secret here; one that was typed in this boot may be known: change it elsewhere.',
        'Do not reseal, update or restart into it.',
        'Has AEM sealed to this boot already (the screen says so)? Then your sentence is shown to whoever controls this boot. It vouches for nothing until you write a new one in a state you trust.',
        'If you have another AEM device, boot it. If it shows its secret, machine and firmware start as before, and the first device is in doubt.',
        'Look at the boot device on a computer you trust, attached read-only: compare xen, kernel, initramfs, tboot, SINIT and grub.cfg with the packages. Do not boot from it.',
        'If the device is as it should be and only registers that the update changes differ, the prediction may have been wrong: boot it, and `aem-reseal resume` explains.',
        'If PCR 17 changed without an update of firmware or tboot, or nothing explains it, the firmware may have been changed. Consider the machine lost; restore your data on other hardware.',
      ],
    },
    text(
      "Your own doing after all, such as a new kernel option? `aem-reseal cancel` gives the session up. What you accept then is your decision, not the program's.",
    ),
    {
      kind: 'table',
      head: ['finding', 'what it means'],
      rows: [
        ['a file is not the one that was confirmed', 'somebody wrote to the boot device since `start`'],
        ['a file is not as its package has it, or is not verified', 'the same, seen by rpm'],
        ['a file is not what this boot measured', 'put there after the launch: another one ran'],
        ['no file gives what was measured', 'what ran is not there any more'],
        ['a file belongs to no package', 'nobody vouches for it; so is every initramfs'],
        ['a command line or module changed', 'grub.cfg on the boot device was changed'],
        ['PCR 17 changed, no update changes it', 'firmware, SINIT or tboot'],
        ['PCR 13 changed', 'a LUKS header: yours, if you changed a passphrase or key slot'],
        ['no launch log explains PCR N', 'nothing can be said, so nothing is accepted'],
        ['the launch log does not lead to PCR N', 'log or TPM do not tell the truth'],
        ['the running Xen is not shown to be the installed one', 'build ids differ or cannot be read'],
        ['PCR N is not what was predicted', 'other things ran than lay there before'],
      ],
    },
  ],
}
