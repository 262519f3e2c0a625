import { config, type ZodMiniType } from 'zod/mini'
import en from 'zod/v4/locales/en.js'

/*
 * The form of what comes from a file or a program, checked with zod's small build. It has no words of its own. Each form is used
 * once or twice in a run: compiling one costs more than it saves, and makes code from text.
 */
config({ ...en(), jitless: true })

export {
  _default,
  array,
  boolean,
  catchall,
  enum,
  extend,
  gte,
  type infer,
  int,
  iso,
  json,
  lazy,
  literal,
  looseObject,
  lte,
  minLength,
  nonnegative,
  nullable,
  nullish,
  number,
  object,
  optional,
  pipe,
  record,
  regex,
  string,
  transform,
  union,
  unknown,
  uuid,
} from 'zod/mini'

/** What takes a `T`; `safeParse` tells which field is of another form. */
export type Form<T> = ZodMiniType<T>

/** What is wrong with a value, and where in it. */
export type FormIssue = { readonly path: readonly PropertyKey[]; readonly message: string }
