import { expect } from 'vitest'
import { Failure } from '../../src/core/failure.ts'

/** The Failure that ends this work; anything else that ends it is an error of the test. */
export async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => null,
    (caught: unknown) => caught,
  )
  expect(error).toBeInstanceOf(Failure)
  return error as Failure
}
