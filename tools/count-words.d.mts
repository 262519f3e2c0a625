export const BOUNDS: { readonly before: number; readonly after: number }
/** Words of what a rehearsal printed. @throws where no restart was simulated */
export function countWords(text: string): { readonly before: number; readonly after: number }
/** Of the built program's clean rehearsal. @throws where it does not end with 0 */
export function countCleanRehearsal(): { readonly before: number; readonly after: number }
