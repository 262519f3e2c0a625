# One line in a new shell while an update of files that Anti Evil Maid measures waits for aem-reseal. Reads the mark that the
# package's file triggers leave; starts no Node. The file /etc/aem-reseal/no-notices turns it off (docs/install.md).
if [ -e /var/spool/aem-reseal/update-mark ] && [ ! -e /etc/aem-reseal/no-notices ]; then
  case $- in
  *i*)
    (
      # The mark is believed only where nobody but root could have written it.
      owners=$(/usr/bin/stat -c %u:%a /var/spool/aem-reseal /var/spool/aem-reseal/update-mark 2>/dev/null)
      if [ "$owners" != '0:755
0:644' ]; then
        echo 'aem-reseal: /var/spool/aem-reseal/update-mark is ignored: others than root could have written it' >&2
        exit
      fi
      boot='' when=before
      { read -r boot; } 2>/dev/null </proc/sys/kernel/random/boot_id
      while read -r id _; do
        [ "$id" = "$boot" ] && when=now
      done </var/spool/aem-reseal/update-mark
      if [ "$when" = now ]; then
        echo 'aem-reseal: files that AEM measures were updated. Before the restart: aem-reseal start' >&2
      else
        echo 'aem-reseal: this boot follows an update of files that AEM measures. Next: aem-reseal resume' >&2
      fi
    )
    ;;
  esac
fi
