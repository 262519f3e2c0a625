/** A module of its own, so that a run that needs no program never loads execa (start-up time). */
export { execa } from 'execa'
