/** A provider process for tests: its settings come as JSON in the first argument; it prints its peer id when it is online. */
import { NodeProvider } from '../../relay/provide/node-provider.ts';
import { deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';

const settings = JSON.parse(process.argv[2]!) as {
  relayUrl: string;
  blobFolder: string;
  memoryBytes: number;
  dutyCycle: number;
};
const provider = await NodeProvider.start({ ...settings, key: await deviceKey(await generateKeyPair()) });
console.log(provider.peer);
