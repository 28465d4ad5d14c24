// Drives the server through the npm client: reads one call a line, {"name": ..., "arguments": ...},
// and writes one answer a line. A call without a name lists the tools. The first line written says
// which version of the protocol was agreed.
//
// usage: node node_client.mjs MODULES auto|legacy COMMAND ARGUMENT...
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, mode, command, ...args] = process.argv.slice(2);
const require = createRequire(`${modules}/index.js`);
const load = async (name) => import(pathToFileURL(require.resolve(name)));
const { Client } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

const options = mode === 'auto' ? { versionNegotiation: { mode: 'auto' } } : {};
const client = new Client({ name: 'altiplano-test', version: '1.0.0' }, options);
await client.connect(new StdioClientTransport({ command, args, stderr: 'inherit' }));
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
say({
  version: client.getNegotiatedProtocolVersion?.() ?? null,
  instructions: client.getInstructions?.() ?? null,
});
for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  try {
    say(call.name === undefined ? await client.listTools() : await client.callTool(call));
  } catch (error) {
    say({ failure: String(error) });
  }
}
await client.close();
