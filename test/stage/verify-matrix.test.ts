import { verifyOnEach } from './verify-matrix.ts'

verifyOnEach()
