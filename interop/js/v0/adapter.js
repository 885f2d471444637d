'use strict';
// rsocket-js 0.0.27 in the terms of ../checks.js.

const net = require('net');
const { randomBytes } = require('crypto');
const { BufferEncoders, Lease, Leases, RSocketClient, RSocketResumableTransport, RSocketServer } = require('rsocket-core');
const { Flowable, Single } = require('rsocket-flowable');
const RSocketTcpClient = require('rsocket-tcp-client').default;
const RSocketTCPServer = require('rsocket-tcp-server').default;
const RSocketWebSocketClient = require('rsocket-websocket-client').default;
const RSocketWebSocketServer = require('rsocket-websocket-server').default;
const WebSocket = require('ws');

const MIME_TYPE = 'application/binary';

async function serve({ transport, port, lease }) {
  let server;
  const over =
    transport === 'tcp'
      ? new RSocketTCPServer(
          { host: '127.0.0.1', port, serverFactory: (onConnection) => (server = net.createServer(onConnection)) },
          BufferEncoders
        )
      : new RSocketWebSocketServer({ host: '127.0.0.1', port }, BufferEncoders, (options) => (server = new WebSocket.Server(options)));
  const config = { transport: over, getRequestHandler: () => echo() };
  if (lease) {
    config.leases = () => new Leases().sender((stats) => renewed(lease, stats)).stats(new Stats());
  }
  new RSocketServer(config).start();
  await new Promise((resolve) => (server.listening ? resolve() : server.once('listening', resolve)));
  return server.address().port;
}

class Stats {
  constructor() {
    this.used = () => {};
  }

  onEvent(event) {
    this.used(event);
  }
}

/** The next lease when one is used up. */
function renewed(requests, stats) {
  return new Flowable((subscriber) => {
    let left = requests;
    const grant = () => {
      left = requests;
      subscriber.onNext(new Lease(3_600_000, requests));
    };
    stats.used = (event) => {
      if (event === 'Accept' && --left === 0) {
        // After the request at hand.
        setImmediate(grant);
      }
    };
    let begun = false;
    subscriber.onSubscribe({
      cancel() {},
      request() {
        if (!begun) {
          begun = true;
          grant();
        }
      },
    });
  });
}

const isReject = (payload) => payload.data && payload.data.toString() === 'reject';
const rejected = () => new Error('rejected');

function echo() {
  return {
    fireAndForget: (payload) => console.log(`told ${payload.data.subarray(0, 100)}`),
    metadataPush(payload) {
      console.log(`pushed ${payload.metadata.subarray(0, 100)}`);
      return Single.of(undefined);
    },
    requestResponse: (payload) => (isReject(payload) ? Single.error(rejected()) : Single.of(payload)),
    requestStream: (payload) => (isReject(payload) ? Flowable.error(rejected()) : Flowable.just(...Array(10).fill(payload))),
    requestChannel: (payloads) =>
      new Flowable((subscriber) => {
        let subscription;
        payloads.subscribe({
          onSubscribe(given) {
            subscription = given;
            subscriber.onSubscribe(given);
          },
          onNext(payload) {
            if (isReject(payload)) {
              subscription.cancel();
              subscriber.onError(rejected());
            } else {
              subscriber.onNext(payload);
            }
          },
          onComplete: () => subscriber.onComplete(),
          onError: (error) => subscriber.onError(error),
        });
      }),
  };
}

function connect({ transport, port, lease, resume }) {
  const plain = () =>
    transport === 'tcp'
      ? new RSocketTcpClient({ host: '127.0.0.1', port: Number(port) }, BufferEncoders)
      : new RSocketWebSocketClient({ url: `ws://127.0.0.1:${port}/`, wsCreator: (url) => new WebSocket(url) }, BufferEncoders);
  const resumption = { bufferSize: 16 * 1024 * 1024, resumeToken: randomBytes(16), sessionDurationSeconds: 60 };
  const over = resume ? new RSocketResumableTransport(plain, resumption, BufferEncoders) : plain();
  const setup = { dataMimeType: MIME_TYPE, metadataMimeType: MIME_TYPE, keepAlive: 20_000, lifetime: 90_000 };
  const config = { setup, transport: over };
  const leased = { count: 0, wake: () => {} };
  if (lease) {
    config.leases = () =>
      new Leases().receiver((leases) =>
        leases.subscribe({
          onSubscribe: (all) => all.request(Number.MAX_SAFE_INTEGER),
          onNext() {
            leased.count += 1;
            leased.wake();
          },
          onError() {},
          onComplete() {},
        })
      );
  }
  const client = new RSocketClient(config);
  return new Promise((resolve, reject) => {
    client.connect().subscribe({ onComplete: (socket) => resolve(adapt(socket, over, leased)), onError: reject, onSubscribe() {} });
  });
}

function adapt(socket, transport, leased) {
  return {
    response(payload, recorder) {
      let cancel;
      socket.requestResponse(payload).subscribe({
        onComplete: (answer) => recorder.onNext(answer),
        onError: (error) => recorder.onError(error),
        onSubscribe: (given) => (cancel = given),
      });
      return { cancel: () => cancel() };
    },
    stream: (payload, n, recorder) => subscribe(socket.requestStream(payload), n, recorder),
    channel(source, n, recorder) {
      const ours = new Flowable((subscriber) => {
        source.sink = {
          onNext(payload, isLast) {
            subscriber.onNext(payload);
            if (isLast) {
              subscriber.onComplete();
            }
          },
          onComplete: () => subscriber.onComplete(),
          onError: (error) => subscriber.onError(error),
        };
        subscriber.onSubscribe({ cancel: () => source.cancel(), request: (more) => source.request(more) });
      });
      return subscribe(socket.requestChannel(ours), n, recorder);
    },
    tell: (payload) => socket.fireAndForget(payload),
    push: (metadata) => socket.metadataPush({ metadata }).subscribe({ onComplete() {}, onError() {}, onSubscribe() {} }),
    close: () => socket.close(),
    /** It does not come back by itself. */
    async cut() {
      transport._currentConnection.close();
      transport.connect();
    },
    /** Requests beyond a lease fail at once, so each waits until there is one. */
    async whileLeased(count, ask) {
      for (let number = 0; number < count; number += 1) {
        while (socket.availability() === 0) {
          await new Promise((resolve) => (leased.wake = resolve));
        }
        await ask();
      }
      if (leased.count < 3) {
        throw new Error(`${leased.count} leases were enough for ${count} requests`);
      }
    },
  };
}

function subscribe(flowable, n, recorder) {
  let subscription;
  flowable.subscribe({
    onNext: (payload) => recorder.onNext(payload),
    onComplete: () => recorder.onComplete(),
    onError: (error) => recorder.onError(error),
    onSubscribe(given) {
      subscription = given;
      subscription.request(n);
    },
  });
  return subscription;
}

module.exports = { connect, serve };
