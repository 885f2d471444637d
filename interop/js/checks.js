'use strict';
// What an echo server has to do. The names are those of the Rust client's checks.

const { Recorder, Source, payload, same, text } = require('./signals');

const ALL = 0x7fffffff;
const APPLICATION_ERROR = 0x201;

class Report {
  constructor(skipped) {
    this.skipped = skipped;
    this.prefix = '';
    this.passed = 0;
    this.failed = 0;
  }

  async check(what, body) {
    const name = this.prefix + what;
    if (this.skipped.some((skipped) => name.startsWith(skipped))) {
      return;
    }
    try {
      await body();
      this.passed += 1;
      console.log(`ok ${name}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAILED ${name}: ${error}`);
    }
  }
}

/** `socket` is that of `v0/adapter.js` or `v1/adapter.js`. */
async function general(socket, report) {
  const checks = new Checks(socket);
  for (const data of [0, 1, 10_000, 1_000_000]) {
    await report.check(`response/data-${data}`, () => checks.echo(data));
  }
  for (const [data, metadata] of [[4, 0], [0, 0], [0, 5], [10, 10], [5, 100_000], [100_000, 70]]) {
    await report.check(`response/data-${data}-metadata-${metadata}`, () => checks.echo(data, metadata));
  }
  await report.check('response/many-at-once', () => checks.manyAtOnce());
  await report.check('response/reject', () => checks.rejectResponse());
  await report.check('response/cancel', () => checks.cancelResponse());
  await report.check('fire-and-forget/data', () => checks.tell(text('told')));
  await report.check('fire-and-forget/data-100000-metadata-0', () => checks.tell(payload(100_000, 0)));
  await report.check('metadata-push', () => checks.pushMetadata());
  await report.check('stream/one-at-a-time', () => checks.oneAtATime());
  await report.check('stream/all-at-once', () => checks.allAtOnce(payload(5)));
  await report.check('stream/metadata-empty', () => checks.allAtOnce(payload(5, 0)));
  await report.check('stream/data-10000-metadata-300', () => checks.allAtOnce(payload(10_000, 300)));
  await report.check('stream/data-1000000', () => checks.allAtOnce(payload(1_000_000)));
  await report.check('stream/cancel', () => checks.cancelStream(ALL));
  await report.check('stream/cancel-without-credit', () => checks.cancelStream(3));
  await report.check('stream/reject', () => checks.rejectStream());
  const small = (number) => payload(number, number % 2 === 0 ? number / 2 : undefined);
  const long = (number) => payload(20_000 + number, number * 100);
  await report.check('channel/one-at-a-time', () => checks.exchange(20, small, 1));
  await report.check('channel/all-at-once', () => checks.exchange(100, small, 1000));
  await report.check('channel/long-payloads', () => checks.exchange(20, long, 3));
  await report.check('channel/data-1000000', () => checks.exchange(3, () => payload(1_000_000), 2));
  await report.check('channel/one-payload-and-complete', () => checks.exchange(1, () => payload(5), 10));
  await report.check('channel/complete-afterwards', () => checks.completeAfterwards());
  await report.check('channel/cancel', () => checks.cancelChannel());
  await report.check('channel/error', () => checks.failChannel());
  await report.check('channel/reject-first', () => checks.rejectChannel(0));
  await report.check('channel/reject-third', () => checks.rejectChannel(2));
}

class Checks {
  constructor(socket) {
    this.socket = socket;
  }

  async echo(data, metadata) {
    const recorder = new Recorder();
    this.socket.response(payload(data, metadata), recorder);
    await recorder.next(payload(data, metadata));
  }

  /** What the server had to say before has come when this is answered. */
  async ping() {
    await this.echo(4);
    await this.echo(4);
  }

  async manyAtOnce() {
    const asked = [];
    for (let number = 0; number < 50; number += 1) {
      const recorder = new Recorder();
      const wanted = payload(number * 997, number % 3 === 0 ? number + 1 : undefined);
      this.socket.response(wanted, recorder);
      asked.push({ recorder, wanted });
    }
    for (const { recorder, wanted } of asked) {
      await recorder.next(wanted);
    }
  }

  async rejected(recorder) {
    const error = await recorder.failed();
    const code = error.code || (error.source && error.source.code);
    if (code !== APPLICATION_ERROR) {
      throw new Error(`instead of a rejection: ${code} ${error}`);
    }
  }

  async rejectResponse() {
    const recorder = new Recorder();
    this.socket.response(text('reject'), recorder);
    await this.rejected(recorder);
  }

  async cancelResponse() {
    const recorder = new Recorder();
    this.socket.response(payload(10_000), recorder).cancel();
    await this.ping();
    recorder.nothing();
  }

  async tell(told) {
    this.socket.tell(told);
    await this.ping();
  }

  async pushMetadata() {
    this.socket.push(Buffer.from('pushed'));
    await this.ping();
  }

  async oneAtATime() {
    const recorder = new Recorder();
    const stream = this.socket.stream(payload(5, 5), 1, recorder);
    for (let number = 1; number <= 10; number += 1) {
      await recorder.next(payload(5, 5));
      if (number < 10) {
        await this.ping();
        recorder.nothing();
        stream.request(1);
      }
    }
    await recorder.completed();
  }

  async allAtOnce(wanted) {
    const recorder = new Recorder();
    this.socket.stream(wanted, ALL, recorder);
    for (let number = 1; number <= 10; number += 1) {
      await recorder.next(wanted);
    }
    await recorder.completed();
  }

  async cancelStream(credit) {
    const recorder = new Recorder();
    const stream = this.socket.stream(payload(2000), credit, recorder);
    for (let number = 1; number <= 3; number += 1) {
      await recorder.next(payload(2000));
    }
    stream.cancel();
    recorder.forget();
    await this.ping();
    recorder.nothing();
  }

  async rejectStream() {
    const recorder = new Recorder();
    this.socket.stream(text('reject'), ALL, recorder);
    await this.rejected(recorder);
  }

  async exchange(count, make, window) {
    const payloads = Array.from({ length: count }, (_, at) => make(at + 1));
    const recorder = new Recorder();
    const channel = this.socket.channel(new Source([...payloads], true), window, recorder);
    for (const wanted of payloads) {
      await recorder.next(wanted);
      channel.request(1);
    }
    await recorder.completed();
  }

  async completeAfterwards() {
    const recorder = new Recorder();
    const source = new Source([payload(1)], false);
    this.socket.channel(source, 10, recorder);
    await recorder.next(payload(1));
    for (let number = 2; number <= 5; number += 1) {
      source.add(payload(number));
      await recorder.next(payload(number));
    }
    await this.ping();
    recorder.nothing();
    source.complete();
    await recorder.completed();
  }

  async cancelChannel() {
    const recorder = new Recorder();
    const source = new Source([1, 2, 3, 4, 5].map((number) => payload(number)), false);
    const channel = this.socket.channel(source, 3, recorder);
    await recorder.next(payload(1));
    await recorder.next(payload(2));
    channel.cancel();
    recorder.forget();
    await this.ping();
    recorder.nothing();
  }

  async failChannel() {
    const recorder = new Recorder();
    const source = new Source([payload(1), payload(2)], false);
    this.socket.channel(source, 10, recorder);
    await recorder.next(payload(1));
    await recorder.next(payload(2));
    source.fail(new Error('given up'));
    await this.ping();
  }

  async rejectChannel(before) {
    const payloads = Array.from({ length: before }, (_, at) => payload(at + 1));
    const recorder = new Recorder();
    this.socket.channel(new Source([...payloads, text('reject'), text('more')], false), 100, recorder);
    for (const wanted of payloads) {
      await recorder.next(wanted);
    }
    await this.rejected(recorder);
    await this.ping();
  }
}

/** The server grants less than 20 requests at a time. */
async function lease(socket, report) {
  await report.check('used-up-and-renewed', () => socket.whileLeased(60, () => new Checks(socket).echo(5)));
}

/** `socket.cut()` ends the transport; it comes back by itself. */
async function resume(socket, report) {
  const checks = new Checks(socket);
  await report.check('idle', async () => {
    await checks.echo(10, 10);
    await socket.cut();
    await checks.echo(10, 10);
  });
  await report.check('in-a-stream-that-waits-for-credit', async () => {
    const recorder = new Recorder();
    const stream = socket.stream(payload(10, 3), 3, recorder);
    for (let number = 1; number <= 3; number += 1) {
      await recorder.next(payload(10, 3));
    }
    await socket.cut();
    stream.request(100);
    for (let number = 4; number <= 10; number += 1) {
      await recorder.next(payload(10, 3));
    }
    await recorder.completed();
  });
  await report.check('in-a-stream-under-way', async () => {
    const recorder = new Recorder();
    socket.stream(payload(50_000), ALL, recorder);
    await recorder.next(payload(50_000));
    await socket.cut();
    for (let number = 2; number <= 10; number += 1) {
      await recorder.next(payload(50_000));
    }
    await recorder.completed();
  });
  await report.check('with-requests-made-meanwhile', async () => {
    const cut = socket.cut();
    await Promise.all([checks.echo(5), checks.echo(50_000)]);
    await cut;
  });
}

module.exports = { Report, general, lease, resume, same };
