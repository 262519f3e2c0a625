import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import type { GateCheck } from './readiness.ts'

/** The part of the contract's `predict` answer that says which kernel boots next (docs/contract.md). */
const predictionSchema = onFirstUse(() =>
  z.object({
    entry: z.nullish(z.object({ title: z.string() })),
    pcrs: z.array(
      z.object({
        components: z.array(
          z.object({
            role: z.string(),
            path: z.nullable(z.string()),
            package: z.nullish(z.object({ name: z.string(), evr: z.string() })),
          }),
        ),
      }),
    ),
  }),
)

export type KernelFacts = {
  /** `uname -r` of this boot. */
  readonly running: string | null
  /** The newest installed version of each kernel package: `name evr`. */
  readonly newest: readonly string[]
  /** The next boot is from another device than this one: then a newer kernel was not approved either. */
  readonly isOtherDevice: boolean
}

/**
 * dom0 keeps several kernels, all of signed packages: who can write to a boot device can have GRUB start an old one with
 * known holes (default, saved_entry or the order in grub.cfg). A forward seal is for the kernel of this boot, or for the
 * newest installed one that an update just brought.
 *
 * @param prediction the session's `predict` answer, as it was kept
 */
export function checkKernel(prediction: unknown, facts: KernelFacts): GateCheck {
  const id = 'kernel'
  const parsed = predictionSchema().safeParse(prediction)
  const components = parsed.success ? parsed.data.pcrs.flatMap((pcr) => pcr.components) : []
  const kernels = components.filter(({ role }) => role === 'kernel')
  // No selected register holds it, or nothing is predicted, which another check says.
  if (kernels.length === 0) return { id, ok: true, detail: 'no predicted register measures the kernel' }
  if (facts.running === null) return { id, ok: null, detail: 'which kernel runs could not be read' }
  const isFit = (kernel: (typeof kernels)[number]): boolean =>
    kernel.path === `/vmlinuz-${facts.running}` ||
    (!facts.isOtherDevice &&
      kernel.package != null &&
      facts.newest.includes(`${kernel.package.name} ${kernel.package.evr}`))
  const other = kernels.find((kernel) => !isFit(kernel))
  if (other === undefined) return { id, ok: true, detail: `it starts ${kernels[0]?.path}` }
  const title = parsed.data?.entry?.title
  const entry = title === undefined ? 'its entry' : `its entry "${title}"`
  const wanted = facts.isOtherDevice
    ? `this boot runs ${facts.running}: after an update restart first, with the device you boot from; else look at its grub.cfg and grubenv`
    : `neither that of this boot nor the newest installed one: look at its grub.cfg and grubenv`
  return { id, ok: false, detail: `${entry} starts ${other.path}, ${wanted}` }
}
