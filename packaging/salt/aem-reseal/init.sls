{#- aem-reseal in a dom0 that is kept by Salt (docs/install.md, Salt). Pillar, all of it optional:
      aem-reseal:
        package: aem-reseal-0.1.0-1.noarch.rpm   the file beside this one
        hold: true                               AEM's automatic seal asks the gate, see hold.sls
#}
{%- set package = salt['pillar.get']('aem-reseal:package', 'aem-reseal-0.1.0-1.noarch.rpm') %}
{%- if salt['pillar.get']('aem-reseal:hold', False) %}
include:
  - aem-reseal.hold
{%- endif %}

aem-reseal-package:
  pkg.installed:
    - sources:
      - aem-reseal: salt://aem-reseal/{{ package }}
