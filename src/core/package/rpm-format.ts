/*
 * Output formats for `rpm -q --qf`, apart from the parsers so that the table of commands stays light.
 * rpm itself turns the two characters \t and \n into a tab and a line feed.
 */

const SIGNATURE =
  '%|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%|DSAHEADER?{%{DSAHEADER:pgpsig}}:{%|SIGPGP?{%{SIGPGP:pgpsig}}:{none}|}|}|'

/** name, epoch:version-release, architecture, install time (seconds since 1970, UTC), header signature. */
export const RPM_QUERY_FORMAT = `%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{INSTALLTIME}\\t${SIGNATURE}\\n`

/** name, epoch:version-release, path, digest (SHA-256 hex in every RPM of Qubes 4.1 and newer). */
export const RPM_FILES_FORMAT =
  '[%{=NAME}\\t%{=EPOCHNUM}:%{=VERSION}-%{=RELEASE}\\t%{FILENAMES}\\t%{FILEDIGESTS}\\n]'
