/**
 * The commands Qubes documents for updates of dom0, for the user to run.
 * @see QSB-033 to 067, section Patching; https://www.qubes-os.org/doc/testing/
 */
export const UPDATE_COMMANDS = {
  stable: 'sudo qubes-dom0-update',
  /** For packages that have not yet moved on to the stable repository, which takes up to two weeks. */
  securityTesting: 'sudo qubes-dom0-update --enablerepo=qubes-dom0-security-testing',
} as const
