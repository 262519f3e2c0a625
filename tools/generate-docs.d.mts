/** Every generated document: text by path below docs/. */
export function generateDocuments(): Promise<ReadonlyMap<string, string>>
/** The schema files that lie in docs/ now, as paths below docs/, sorted. */
export function listSchemaFiles(): Promise<readonly string[]>
