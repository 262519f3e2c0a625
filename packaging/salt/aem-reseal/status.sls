{#- Reports what `aem-reseal status` says; changes nothing. Its JSON is that of docs/contract.md. -#}
aem-reseal-status:
  cmd.run:
    - name: /usr/bin/aem-reseal status --json
    - require:
      - pkg: aem-reseal-package

include:
  - aem-reseal
