'use strict';
// rsocket-js as an echo server, or as a client that checks one:
//   node main.js v0|v1 serve --transport tcp|websocket
//   node main.js v0|v1 call --transport tcp|websocket --port N [--mtu N]... [--skip NAME]... [--lease] [--resume]

const { parseArgs } = require('util');
const { Report, general, lease, resume } = require('./checks');

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      transport: { type: 'string', default: 'tcp' },
      port: { type: 'string', default: '0' },
      mtu: { type: 'string', multiple: true, default: ['0'] },
      skip: { type: 'string', multiple: true, default: [] },
      lease: { type: 'boolean', default: false },
      resume: { type: 'boolean', default: false },
    },
  });
  const [version, role] = positionals;
  // Beside its libraries, which may be elsewhere than this file.
  const adapter = require(`./${version}/adapter.js`);
  const { transport, port } = values;
  if (role === 'serve') {
    const real = await adapter.serve({ transport, port: Number(port), lease: values.lease ? 5 : 0, resume: values.resume });
    console.log(`listening on 127.0.0.1:${real}`);
    process.stdin.on('end', () => process.exit(0)).resume();
    return;
  }
  const report = new Report(values.skip);
  for (const mtu of values.mtu) {
    report.prefix = mtu === '0' ? '' : `mtu-${mtu}/`;
    const socket = await adapter.connect({ transport, port, mtu: Number(mtu) });
    await general(socket, report);
    socket.close();
  }
  for (const [wanted, prefix, checks, options] of [
    [values.lease, 'lease/', lease, { lease: true }],
    [values.resume, 'resume/', resume, { resume: true }],
  ]) {
    if (wanted) {
      report.prefix = prefix;
      const socket = await adapter.connect({ transport, port, mtu: 0, ...options });
      await checks(socket, report);
      socket.close();
    }
  }
  console.log(`${report.passed} passed, ${report.failed} failed`);
  process.exit(report.failed === 0 && report.passed > 0 ? 0 : 1);
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
