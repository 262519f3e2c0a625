import { expect, it } from 'vitest'
import { predictXen } from '../../../src/core/launch/predict-trenchboot.ts'
import { eventsOf } from '../../support/trenchboot-launch.ts'
import { launch, mleOf, NEW_XEN, parse } from './trenchboot-world.ts'

/*
 * First use, TrenchBoot on BIOS: two boots of an evil Xen, whose secret appears, and then the packaged file is put back. The package is older
 * than the boot and the file is its own, but what the launch measured is another Xen: its digest must never be sealed forward to.
 */
it.each(['intel-bios', 'amd-bios'] as const)(
  'the digest of another Xen than the packaged one that lies there is not predicted (%s)',
  (kind) => {
    const evil = launch(kind, { xen: NEW_XEN })
    const log = parse(eventsOf(evil))
    const honest = mleOf(launch(kind))
    const found = predictXen({
      log,
      bank: 'sha256',
      xen: { booted: honest, next: honest },
      isUnchanged: true,
    })
    expect(found).toMatchObject({ code: 'trenchboot-mle' })
  },
)
