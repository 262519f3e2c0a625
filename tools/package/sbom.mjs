// The software bill of materials: CycloneDX 1.5, JSON (https://cyclonedx.org/docs/1.5/json/).

/**
 * The same bytes for the same input: no serial number, and the time is the commit's.
 *
 * @param {{ version: string, license: string, epoch: number, programSha256: string }} program
 * @param {readonly import('./bundled.mjs').BundledPackage[]} packages
 */
export function renderSbom({ version, license, epoch, programSha256 }, packages) {
  const own = `pkg:generic/aem-reseal@${version}`
  const sbom = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
      component: {
        type: 'application',
        'bom-ref': own,
        name: 'aem-reseal',
        version,
        licenses: [{ license: { id: license } }],
        hashes: [{ alg: 'SHA-256', content: programSha256 }],
      },
    },
    components: packages.map((each) => ({
      type: 'library',
      'bom-ref': purlOf(each),
      ...nameOf(each),
      version: each.version,
      licenses: [{ license: { id: each.license } }],
      hashes: [{ alg: 'SHA-512', content: each.integrity }],
      purl: purlOf(each),
    })),
    dependencies: [
      { ref: own, dependsOn: packages.map(purlOf) },
      ...packages.map((each) => ({ ref: purlOf(each) })),
    ],
  }
  return `${JSON.stringify(sbom, null, 2)}\n`
}

function nameOf({ name }) {
  const [scope, rest] = name.startsWith('@') ? name.split('/') : [null, name]
  return scope === null ? { name } : { group: scope, name: rest }
}

/** Package URL, type npm (https://github.com/package-url/purl-spec): the @ of a scope is percent-encoded. */
function purlOf({ name, version }) {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}
