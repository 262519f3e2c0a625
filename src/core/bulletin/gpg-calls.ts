/** One call of the system's gpg, as data: who runs it decides nothing about it. */
export type GpgCall = {
  readonly id: 'import-keys' | 'check-certifications' | 'verify'
  readonly argv: readonly string[]
  readonly why: string
  /** The signature file a verify call is about. */
  readonly signatureFile: string | null
}

export type SignaturePlan = {
  readonly importKeys: GpgCall
  readonly checkCertifications: GpgCall
  /** One per signature file, in the order given. */
  readonly verify: readonly GpgCall[]
}

const GPG = '/usr/bin/gpg'

/**
 * What is common to all calls (gpg(1), GnuPG 2.2.40): a home of its own, no agent, no network, no
 * configuration of the user, machine-readable status on stdout.
 */
const commonOptions = (home: string): string[] => [
  '--homedir',
  home,
  '--no-options',
  '--batch',
  '--no-tty',
  '--no-autostart',
  '--no-auto-key-retrieve',
  '--trust-model',
  'always',
  '--status-fd',
  '1',
]

/**
 * The gpg calls that tell who signed a bulletin; the order matters: keys first.
 *
 * The home must exist, be empty and be readable by its owner only. gpg ends with a status other
 * than 0 where a signature is not good: what counts is the text on stdout, to be read by
 * parseGpgStatus (verify) and parseCertifications (check-certifications).
 * @param home Absolute path of the private, empty home.
 * @param keyFiles The key files to trust as far as the master key vouches for them.
 * @param textFile The bulletin; give a copy of exactly the bytes that are parsed, so that no other
 * text can take its place in between.
 * @param signatureFiles Detached signatures, `qsb-103-2024.txt.sig.marmarek`; from signatureFilesOf.
 */
export const signaturePlan = (
  home: string,
  keyFiles: readonly string[],
  textFile: string,
  signatureFiles: readonly string[],
): SignaturePlan => ({
  importKeys: {
    id: 'import-keys',
    argv: [GPG, ...commonOptions(home), '--import', '--', ...keyFiles],
    why: 'puts the given keys into a key ring of its own',
    signatureFile: null,
  },
  checkCertifications: {
    id: 'check-certifications',
    argv: [GPG, ...commonOptions(home), '--with-colons', '--fixed-list-mode', '--check-signatures'],
    why: 'tells which of the keys the Qubes Master Signing Key vouches for',
    signatureFile: null,
  },
  verify: signatureFiles.map((signatureFile) => ({
    id: 'verify',
    argv: [GPG, ...commonOptions(home), '--verify', '--', signatureFile, textFile],
    why: 'tells who signed the bulletin',
    signatureFile,
  })),
})

/**
 * The signatures of a bulletin among the files beside it: `<name>.sig.<signer>`, two old ones are
 * named `<name>.sign.joanna` (qubes-secpack, QSBs/).
 * @param textName File name of the bulletin, without directory.
 * @param directory Names of the files in its directory.
 */
export const signatureFilesOf = (textName: string, directory: readonly string[]): string[] =>
  directory
    .filter(
      (name) => name.startsWith(`${textName}.`) && /^\.sign?\.[\w-]{1,64}$/.test(name.slice(textName.length)),
    )
    .sort()
