import { type Topic, text } from './block.ts'

/** The ways through the restart. */
export const FORWARD_SEAL: Topic = {
  name: 'forward-seal',
  help: 'your secrets sealed before the restart, to predicted registers',
  blocks: [
    text(
      'Where it can be made, your secrets are sealed now, to the predicted registers. The next boot must show your secret before you type the passphrase. If it does not: type nothing, power off, and read `aem-reseal help alarm`.',
    ),
    text(
      'A wrong prediction looks like an attack: you power off, and check the device elsewhere before you type anything. Choose this if you can do that.',
    ),
    text(
      'It is offered only where every selected register is predicted, and where something vouches for all that the next boot measures: it is unchanged, of a signed package, made again by dracut with the same bytes, or you saw the difference and said yes.',
    ),
    {
      kind: 'list',
      items: [
        'The new sealed files are written beside the old ones and exchanged in one step; `aem-reseal cancel` exchanges them back.',
        'Change nothing more before the restart. A second update makes the seal outdated; `aem-reseal status` says so, and `aem-reseal resume` starts over.',
        'After the restart, `aem-reseal resume` asks whether your sentence appeared.',
      ],
    },
  ],
}

export const HOLD: Topic = {
  name: 'hold',
  help: "AEM's automatic seal waits until the change is explained",
  blocks: [
    text(
      "A drop-in makes systemd ask this program before AEM's automatic seal. The seal runs where the TPM released your secret, where every selected register is as predicted, or where you accepted the change; else it waits for `aem-reseal resume`. The next boot does not show your secret, and you type the passphrase blind once.",
    ),
    text(
      'For that the program must lie where only root can change it, and `/usr/bin/node` be new enough. The package has it there; a file that was copied by hand must be put there:',
    ),
    {
      kind: 'command',
      text: 'sudo install -D -m 755 aem-reseal.mjs /usr/local/lib/aem-reseal/aem-reseal.mjs',
    },
    text(
      'The drop-in stays after the update. `aem-reseal gate show` shows it, `aem-reseal gate remove` takes it away. While it is there, begin each update with `aem-reseal start`: in a boot whose change nothing was recorded of, the seal is held too, and you decide by hand: `aem-reseal status` says what changed since the last approved boot.',
    ),
  ],
}

export const PLAIN: Topic = {
  name: 'plain',
  help: 'AEM seals by itself to whatever boots; explained afterwards',
  blocks: [
    text(
      'AEM seals by itself to whatever boots, and the change is explained afterwards. The next boot does not show your secret, and you type the passphrase blind once.',
    ),
    text(
      "AEM would seal to an attacker's boot too, and such a boot would show your secret from then on. So run `aem-reseal resume` before anything else: it compares what booted with what was recorded and confirmed before.",
    ),
    text('After that one more AEM boot must show your secret; `aem-reseal resume` asks for it.'),
  ],
}
