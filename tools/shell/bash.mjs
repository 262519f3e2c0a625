import { DEVICE_NAME, MADE_BY } from './completion-table.mjs'

/** The completion for bash, as a file of bash-completion. */
export function renderBash(table) {
  const { global, verbs, lists, used, devices, reports } = table
  const options = verbs.flatMap(({ name, options: own }) => own.map((option) => ({ verb: name, ...option })))
  const withValue = (list) => list.filter(({ kind }) => kind !== null)
  const set = ({ kind, isMany }) => `kind=${kind}${isMany ? ' many=yes' : ''}`
  return `# aem-reseal: completion for bash.
# ${MADE_BY}

# What an option takes: sets kind and many. $1 the verb, $2 the option.
_aem_reseal_option()
{
    kind='' many=''
    case $2 in
${withValue(global)
  .map((option) => `        ${option.flag}) ${set(option)} ;;`)
  .join('\n')}
    esac
    case "$1 $2" in
${withValue(options)
  .map((option) => `        '${option.verb} ${option.flag}') ${set(option)} ;;`)
  .join('\n')}
    esac
}

# The verb that the word $2 behind the verb $1 leads to: sets verb. Status 1: the word is an argument.
_aem_reseal_verb()
{
    case "$1 $2" in
${verbs
  .flatMap(({ name, acts }) => acts.map((act) => `        '${name} ${act.word}') verb='${act.name}' ;;`))
  .join('\n')}
        *) return 1 ;;
    esac
}

# What can stand for the kind $1: adds to values.
_aem_reseal_values()
{
    local path
    case $1 in
${Object.entries(lists)
  .map(([kind, words]) => `        ${kind}) values+=(${words.join(' ')}) ;;`)
  .join('\n')}
        devices)
            for path in ${devices}/aem*/; do
                [[ -d $path ]] || continue
                path=\${path%/}
                path=\${path##*/}
                [[ $path =~ ${DEVICE_NAME} ]] || continue
                values+=("$path")
                [[ $path == aem ]] || values+=("\${path#aem}")
            done
            ;;${
              used.has('reports')
                ? `
        reports)
            for path in ${reports}/*.json; do
                [[ -f $path ]] || continue
                path=\${path##*/}
                values+=("\${path%.json}")
            done
            ;;`
                : ''
            }
    esac
}

_aem_reseal()
{
    local cur=\${COMP_WORDS[COMP_CWORD]} verb='' kind='' many='' word i count=0
    local values=()
    COMPREPLY=()
    # bash makes three words of \`--option=value\`.
    [[ $cur == = ]] && cur=''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=\${COMP_WORDS[i]}
        case $word in
            =) ;;
            -*) _aem_reseal_option "$verb" "$word" ;;
            *)
                if [[ -n $kind ]]; then
                    [[ -n $many ]] || kind=''
                elif ! _aem_reseal_verb "$verb" "$word"; then
                    count=$((count + 1))
                fi
                ;;
        esac
    done
    if [[ $cur == -* ]]; then
        kind=''
        values=(${global.map(({ flag }) => flag).join(' ')})
        case $verb in
${verbs
  .filter(({ options: own }) => own.length > 0)
  .map(
    ({ name, options: own }) =>
      `            '${name}') values+=(${own.map(({ flag }) => flag).join(' ')}) ;;`,
  )
  .join('\n')}
        esac
    elif [[ -z $kind ]]; then
        case "$verb:$count" in
${verbs
  .filter(({ acts, argument }) => acts.length > 0 || argument !== null)
  .map(({ name, acts, argument }) => {
    const words = acts.length === 0 ? '' : ` values=(${acts.map(({ word }) => word).join(' ')})`
    const value = argument === null ? '' : ` kind=${argument.kind}`
    return `            '${name}:'${argument?.isMany ? '*' : '0'})${words}${value} ;;`
  })
  .join('\n')}
        esac
    fi
    [[ -n $kind ]] && _aem_reseal_values "$kind"
    for word in "\${values[@]}"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
    case $kind in
        directories)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            ;;
        files | bulletins)
            # A number is offered first; where none fits, the name of a file.
            if ((\${#COMPREPLY[@]} == 0)); then
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            fi
            ;;
    esac
}

complete -F _aem_reseal aem-reseal
`
}
