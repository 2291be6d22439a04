/** A process for targets: what ends it ends nothing else. The job comes as an argument, the reports go out as a message. */
import type { FuzzJob } from './fuzz-job.ts';
import { runJob } from './run-job.ts';

// Whoever started this may have been ended: then nobody waits for the reports.
process.on('disconnect', () => process.exit());
const reports = await runJob(JSON.parse(process.argv[2]!) as FuzzJob);
process.send!(reports, () => process.disconnect());
