import type { Steps } from './step.ts'
import { acceptChange } from './steps/accept-change.ts'
import { askSecret } from './steps/ask-secret.ts'
import { checkBoot } from './steps/check-boot.ts'
import { checkBootDevice } from './steps/check-boot-device.ts'
import { checkDevice } from './steps/check-device.ts'
import { checkGround } from './steps/check-ground.ts'
import { checkPrepared } from './steps/check-prepared.ts'
import { checkRefresh } from './steps/check-refresh.ts'
import { checkSlots } from './steps/check-slots.ts'
import { checkpoint } from './steps/checkpoint.ts'
import { chooseProtection } from './steps/choose-protection.ts'
import { clearForward } from './steps/clear-forward.ts'
import { confirmSecret } from './steps/confirm-secret.ts'
import { confirmUpdate } from './steps/confirm-update.ts'
import { detectAem } from './steps/detect-aem.ts'
import { explain } from './steps/explain.ts'
import { finish } from './steps/finish.ts'
import { forwardSeal } from './steps/forward-seal.ts'
import { gateForwardSeal } from './steps/gate-forward-seal.ts'
import { gateReseal } from './steps/gate-reseal.ts'
import { installHoldStep } from './steps/install-hold.ts'
import { keepForward } from './steps/keep-forward.ts'
import { nextDevice } from './steps/next-device.ts'
import { planRestart } from './steps/plan-restart.ts'
import { predict } from './steps/predict.ts'
import { readSealOutcome } from './steps/read-seal-outcome.ts'
import { recordBaseline } from './steps/record-baseline.ts'
import { refreshDevice } from './steps/refresh-device.ts'
import { repairSlots } from './steps/repair-slots.ts'
import { replaceInitramfs } from './steps/replace-initramfs.ts'
import { reseal } from './steps/reseal.ts'
import { restart } from './steps/restart.ts'
import { simulateRestart } from './steps/simulate-restart.ts'
import { takeBack } from './steps/take-back.ts'
import { verify } from './steps/verify.ts'

/** The program behind each step id of the flows. */
export const STEPS: Steps = {
  'detect-aem': detectAem,
  'check-ground': checkGround,
  'confirm-update': confirmUpdate,
  'check-boot-device': checkBootDevice,
  'check-refresh': checkRefresh,
  'refresh-device': refreshDevice,
  'check-device': checkDevice,
  'keep-forward': keepForward,
  'record-baseline': recordBaseline,
  predict,
  'replace-initramfs': replaceInitramfs,
  'choose-protection': chooseProtection,
  'gate-forward-seal': gateForwardSeal,
  'forward-seal': forwardSeal,
  'install-hold': installHoldStep,
  'plan-restart': planRestart,
  checkpoint,
  'check-prepared': checkPrepared,
  'take-back': takeBack,
  restart,
  'check-boot': checkBoot,
  'clear-forward': clearForward,
  'ask-secret': askSecret,
  'read-seal-outcome': readSealOutcome,
  explain,
  'check-slots': checkSlots,
  'repair-slots': repairSlots,
  'accept-change': acceptChange,
  'gate-reseal': gateReseal,
  reseal,
  verify,
  'next-device': nextDevice,
  'confirm-secret': confirmSecret,
  finish,
  'simulate-restart': simulateRestart,
}
