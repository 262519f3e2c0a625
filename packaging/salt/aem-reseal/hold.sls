{#- The drop-in of `aem-reseal gate install`, byte for byte: `aem-reseal gate show` knows it, and `aem-reseal gate remove` takes
    it away. With it AEM's automatic seal waits after every update until the change is accepted in `aem-reseal resume`. -#}
aem-reseal-hold:
  file.managed:
    - name: /etc/systemd/system/anti-evil-maid-seal.service.d/50-aem-reseal-hold.conf
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: True
    - dir_mode: '0755'
    - contents: |
        # Holds AEM's automatic seal until a change of what was booted is explained and accepted.
        # Written by `aem-reseal gate install`; `aem-reseal gate remove` takes it away.
        # Exit 0: the seal runs. 1-254 or program missing: it is held. 255, signal, time-out: it fails, and does not run.
        [Unit]
        After=systemd-journal-flush.service
        [Service]
        ExecCondition=/usr/bin/node /usr/lib/aem-reseal/aem-reseal.mjs gate
    - require:
      - pkg: aem-reseal-package
  cmd.run:
    - name: /usr/bin/systemctl daemon-reload
    - onchanges:
      - file: aem-reseal-hold
