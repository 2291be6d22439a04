/** Writes shared/receipts/payroll-vectors.json: trees, roots and proofs computed in TypeScript, which the contract's tests claim by. */
import { writeFileSync } from 'node:fs';
import { payrollVectors } from '../shared/receipts/payroll-vectors.ts';

const file = new URL('../shared/receipts/payroll-vectors.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(payrollVectors(), null, 2)}\n`);
