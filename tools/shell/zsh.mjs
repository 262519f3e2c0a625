import { DEVICE_NAME, MADE_BY } from './completion-table.mjs'

/** In single quotes, for zsh and fish alike. */
const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`
/** A word with its help, as _describe takes it. */
const described = (word, help) => quote(`${word.replaceAll(':', '\\:')}:${help}`)

/** The completion for zsh, as a file of a directory in fpath. */
export function renderZsh(table) {
  const { global, verbs, lists, used, devices, reports } = table
  const set = ({ kind, isMany }) => `kind=${kind}${isMany ? ' many=yes' : ''}`
  const optionRows = [
    ...global.map((option) => [`*' ${option.flag}'`, option]),
    ...verbs.flatMap(({ name, options }) => options.map((option) => [`'${name} ${option.flag}'`, option])),
  ].filter(([, { kind }]) => kind !== null)
  return `#compdef aem-reseal
# aem-reseal: completion for zsh.
# ${MADE_BY}

_aem_reseal_option() {
  kind='' many=''
  case "$1 $2" in
${optionRows.map(([pattern, option]) => `    ${pattern}) ${set(option)} ;;`).join('\n')}
  esac
}

_aem_reseal_verb() {
  case "$1 $2" in
${verbs
  .flatMap(({ name, acts }) => acts.map((act) => `    '${name} ${act.word}') verb='${act.name}' ;;`))
  .join('\n')}
    *) return 1 ;;
  esac
}

_aem_reseal_values() {
  local -a values
  local path_here
  case $1 in
${Object.entries(lists)
  .map(([kind, words]) => `    ${kind}) values=(${words.join(' ')}) ;;`)
  .join('\n')}
    devices)
      for path_here in ${devices}/aem*(N/:t); do
        [[ $path_here =~ '${DEVICE_NAME}' ]] || continue
        values+=($path_here)
        [[ $path_here == aem ]] || values+=(\${path_here#aem})
      done
      ;;${
        used.has('reports')
          ? `
    reports) values=(${reports}/*.json(N.:t:r)) ;;`
          : ''
      }
    directories) _files -/; return ;;
  esac
  (( $#values )) && compadd -a values
  [[ $1 == (files|bulletins) ]] && _files
}

_aem_reseal() {
  local verb='' kind='' many='' word
  integer i count=0
  local -a options words_here
  for ((i = 2; i < CURRENT; i++)); do
    word=\${(Q)words[i]}
    case $word in
      --*=*) kind='' ;;
      -*) _aem_reseal_option "$verb" "$word" ;;
      *)
        if [[ -n $kind ]]; then
          [[ -n $many ]] || kind=''
        elif ! _aem_reseal_verb "$verb" "$word"; then
          (( count += 1 ))
        fi
        ;;
    esac
  done
  if [[ $PREFIX == --*=* ]]; then
    _aem_reseal_option "$verb" "\${PREFIX%%=*}"
    compset -P '*='
    [[ -n $kind ]] && _aem_reseal_values "$kind"
    return
  fi
  if [[ $PREFIX == -* ]]; then
    options=(
${global.map(({ flag, help }) => `      ${described(flag, help)}`).join('\n')}
    )
    case $verb in
${verbs
  .filter(({ options }) => options.length > 0)
  .map(
    ({ name, options }) =>
      `      '${name}') options+=(${options.map(({ flag, help }) => described(flag, help)).join(' ')}) ;;`,
  )
  .join('\n')}
    esac
    _describe -o -t options option options
    return
  fi
  if [[ -z $kind ]]; then
    case "$verb:$count" in
${verbs
  .filter(({ acts, argument }) => acts.length > 0 || argument !== null)
  .map(({ name, acts, argument }) => {
    const words =
      acts.length === 0
        ? ''
        : `\n        words_here=(\n${acts.map(({ word, help }) => `          ${described(word, help)}`).join('\n')}\n        )`
    const value = argument === null ? '' : `\n        kind=${argument.kind}`
    return `      '${name}:'${argument?.isMany ? '*' : '0'})${words}${value}\n        ;;`
  })
  .join('\n')}
    esac
    (( $#words_here )) && _describe -t commands command words_here
  fi
  [[ -n $kind ]] && _aem_reseal_values "$kind"
}

_aem_reseal "$@"
`
}
