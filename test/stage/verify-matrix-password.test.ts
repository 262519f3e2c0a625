import { verifyOnEach } from './verify-matrix.ts'

verifyOnEach('hunter 2')
