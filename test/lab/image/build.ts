/* Builds the guest's disk by hand: node tools/run-typescript.mjs test/lab/image/build.ts */

import { buildImage } from './image.ts'

console.log(JSON.stringify(await buildImage(), null, 2))
