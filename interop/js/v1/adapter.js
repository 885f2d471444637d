'use strict';
// rsocket-js 1.0.0-alpha.3 in the terms of ../checks.js.

const net = require('net');
const { randomBytes } = require('crypto');
const { RSocketConnector, RSocketServer, RSocketError, ErrorCodes } = require('rsocket-core');
const { TcpClientTransport } = require('rsocket-tcp-client');
const { TcpServerTransport } = require('rsocket-tcp-server');
const { WebsocketClientTransport } = require('rsocket-websocket-client');
const { WebsocketServerTransport } = require('rsocket-websocket-server');
const WebSocket = require('ws');

async function serve({ transport, port, resume }) {
  let server;
  const over =
    transport === 'tcp'
      ? new TcpServerTransport({
          listenOptions: { host: '127.0.0.1', port },
          socketCreator: (options) => (server = new net.Server(options)),
        })
      : new WebsocketServerTransport({
          wsCreator: () => (server = new WebSocket.Server({ host: '127.0.0.1', port })),
        });
  const config = { transport: over, acceptor: { accept: async () => echo() } };
  if (resume) {
    config.resume = { sessionTimeout: 60_000 };
  }
  await new RSocketServer(config).bind();
  return server.address().port;
}

const rejected = () => new RSocketError(ErrorCodes.APPLICATION_ERROR, 'rejected');
const isReject = (payload) => payload.data && payload.data.toString() === 'reject';
const ignored = { cancel() {}, request() {}, onExtension() {} };

function echo() {
  return {
    fireAndForget(payload, responder) {
      console.log(`told ${payload.data.subarray(0, 100)}`);
      responder.onComplete();
      return ignored;
    },
    metadataPush(metadata) {
      console.log(`pushed ${metadata.subarray(0, 100)}`);
    },
    requestResponse(payload, responder) {
      // Not before this has returned.
      queueMicrotask(() => (isReject(payload) ? responder.onError(rejected()) : responder.onNext(payload, true)));
      return ignored;
    },
    requestStream(payload, initialN, responder) {
      if (isReject(payload)) {
        queueMicrotask(() => responder.onError(rejected()));
        return ignored;
      }
      let left = 10;
      const send = (n) => {
        for (; n > 0 && left > 0; n -= 1) {
          left -= 1;
          responder.onNext(payload, left === 0);
        }
      };
      queueMicrotask(() => send(initialN));
      return { ...ignored, cancel: () => (left = 0), request: send };
    },
    requestChannel(first, initialN, isCompleted, responder) {
      const payloads = [];
      let demand = initialN;
      let isLast = isCompleted;
      let isOver = false;
      const flush = () => {
        while (!isOver && demand > 0 && payloads.length > 0) {
          const payload = payloads.shift();
          demand -= 1;
          if (isReject(payload)) {
            isOver = true;
            responder.onError(rejected());
            return;
          }
          isOver = isLast && payloads.length === 0;
          responder.onNext(payload, isOver);
          if (!isLast) {
            responder.request(1);
          }
        }
        if (!isOver && isLast && payloads.length === 0) {
          isOver = true;
          responder.onComplete();
        }
      };
      queueMicrotask(() => {
        payloads.push(first);
        if (!isLast) {
          responder.request(16);
        }
        flush();
      });
      return {
        onNext(payload, isComplete) {
          payloads.push(payload);
          isLast = isLast || isComplete;
          flush();
        },
        onComplete() {
          isLast = true;
          flush();
        },
        onError() {
          isOver = true;
        },
        cancel() {
          isOver = true;
        },
        request(n) {
          demand += n;
          flush();
        },
        onExtension() {},
      };
    },
  };
}

async function connect({ transport, port, mtu, lease, resume }) {
  let raw;
  const over =
    transport === 'tcp'
      ? new TcpClientTransport({
          connectionOptions: { host: '127.0.0.1', port: Number(port) },
          socketCreator: (options) => (raw = net.connect(options)),
        })
      : new WebsocketClientTransport({
          url: `ws://127.0.0.1:${port}/`,
          wsCreator: (url) => (raw = new WebSocket(url)),
        });
  const config = { transport: over, fragmentation: { maxOutboundFragmentSize: mtu } };
  if (lease) {
    config.lease = { maxPendingRequests: 100 };
  }
  if (resume) {
    const token = randomBytes(16);
    config.resume = { tokenGenerator: () => token, reconnectFunction: () => new Promise((done) => setTimeout(done, 20)) };
  }
  const socket = await new RSocketConnector(config).connect();
  return {
    response: (payload, recorder) => socket.requestResponse(payload, receiver(recorder)),
    stream: (payload, n, recorder) => socket.requestStream(payload, n, receiver(recorder)),
    channel(source, n, recorder) {
      const first = source.payloads.shift();
      const isComplete = source.completes && source.payloads.length === 0;
      source.isOver = isComplete;
      const channel = socket.requestChannel(first, n, isComplete, {
        ...receiver(recorder),
        request: (more) => source.request(more),
        cancel: () => source.cancel(),
      });
      source.sink = channel;
      return channel;
    },
    tell: (payload) => socket.fireAndForget(payload, receiver({ onComplete() {}, onError() {} })),
    push: (metadata) => socket.metadataPush(metadata, receiver({ onComplete() {}, onError() {} })),
    close: () => socket.close(),
    // Requests beyond a lease wait for the next one.
    whileLeased: (count, ask) => Promise.all(Array.from({ length: count }, ask)),
    async cut() {
      const former = raw;
      (former.terminate || former.destroy).call(former);
      for (let tries = 0; raw === former; tries += 1) {
        if (tries === 500) {
          throw new Error('it did not come back');
        }
        await new Promise((done) => setTimeout(done, 10));
      }
    },
  };
}

/** Completion that comes with a payload becomes a signal of its own. */
function receiver(recorder) {
  return {
    onNext(payload, isComplete) {
      recorder.onNext(payload);
      if (isComplete) {
        recorder.onComplete();
      }
    },
    onComplete: () => recorder.onComplete(),
    onError: (error) => recorder.onError(error),
    onExtension() {},
  };
}

module.exports = { connect, serve };
