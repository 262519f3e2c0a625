import { DEVICE_NAME, MADE_BY } from './completion-table.mjs'

const quote = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

/** The completion for fish, as a file of vendor_completions.d. */
export function renderFish(table) {
  const { global, verbs, lists, used, devices, reports } = table
  const values = (kind) => {
    if (kind === 'directories') return '(__fish_complete_directories (commandline -ct))'
    if (kind === 'files') return '(__fish_complete_path (commandline -ct))'
    if (kind === 'bulletins') return '(__aem_reseal_bulletins)'
    return lists[kind] ? lists[kind].join(' ') : `(__aem_reseal_${kind})`
  }
  const takes = verbs.flatMap(({ name, options }) =>
    [...options, ...global].filter(({ kind }) => kind !== null).map((option) => ({ name, ...option })),
  )
  const option = ({ flag, kind, help }, condition) =>
    [
      'complete -c aem-reseal',
      ...(condition === null ? [] : [`-n ${quote(condition)}`]),
      `-l ${flag.replace(/^--/, '')}`,
      ...(kind === null ? [] : [`-x -a ${quote(values(kind))}`]),
      `-d ${quote(help)}`,
    ].join(' ')
  return `# aem-reseal: completion for fish.
# ${MADE_BY}

function __aem_reseal_place --description 'the verb before the cursor, and how many arguments it has there'
    set -l verb ''
    set -l count 0
    set -l kind ''
    for word in (commandline -opc)[2..-1]
        switch $word
            case '-*'
                set kind ''
                switch "$verb $word"
${takes
  .map(
    ({ name, flag, isMany }) =>
      `                    case ${quote(`${name} ${flag}`)}\n                        set kind ${isMany ? 'many' : 'one'}`,
  )
  .join('\n')}
                end
            case '*'
                if test -n "$kind"
                    test $kind = many; or set kind ''
                    continue
                end
                switch "$verb $word"
${verbs
  .flatMap(({ name, acts }) =>
    acts.map(
      (act) =>
        `                    case ${quote(`${name} ${act.word}`)}\n                        set verb ${quote(act.name)}`,
    ),
  )
  .join('\n')}
                    case '*'
                        set count (math $count + 1)
                end
        end
    end
    echo "$verb:$count"
end

function __aem_reseal_at --description 'is this verb before the cursor'
    string match -q -- "$argv[1]:*" (__aem_reseal_place)
end

function __aem_reseal_first --description 'and nothing behind it'
    test (__aem_reseal_place) = "$argv[1]:0"
end

function __aem_reseal_bulletins
    string split ' ' ${quote(lists.bulletins.join(' '))}
    __fish_complete_path (commandline -ct)
end

function __aem_reseal_devices
    for path in ${devices}/aem*/
        set -l name (string split -- / $path)[-2]
        string match -qr ${quote(DEVICE_NAME)} -- $name; or continue
        echo $name
        test $name = aem; or string sub -s 4 -- $name
    end
end
${
  used.has('reports')
    ? `
function __aem_reseal_reports
    for path in ${reports}/*.json
        string replace -r '\\.json$' '' -- (string split -- / $path)[-1]
    end
end
`
    : ''
}
complete -c aem-reseal -f
${global.map((own) => option(own, null)).join('\n')}
${verbs
  .flatMap(({ name, acts, options, argument }) => [
    ...acts.map(
      ({ word, help }) =>
        `complete -c aem-reseal -n ${quote(`__aem_reseal_first ${quote(name)}`)} -a ${word} -d ${quote(help)}`,
    ),
    ...options.map((own) => option(own, `__aem_reseal_at ${quote(name)}`)),
    ...(argument === null
      ? []
      : [
          `complete -c aem-reseal -n ${quote(`${argument.isMany ? '__aem_reseal_at' : '__aem_reseal_first'} ${quote(name)}`)} -a ${quote(values(argument.kind))}`,
        ]),
  ])
  .join('\n')}
`
}
