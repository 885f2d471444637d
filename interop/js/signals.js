'use strict';
// What a request brings, kept for whoever waits for it; and what a channel sends.

const COMPLETE = 'completion';
const LIMIT_MS = 15_000;

class Recorder {
  constructor() {
    this.signals = [];
    this.waiting = null;
  }

  onNext(payload) {
    this.add({ payload });
  }

  onComplete() {
    this.add(COMPLETE);
  }

  onError(error) {
    this.add({ error });
  }

  add(signal) {
    if (this.waiting) {
      this.waiting(signal);
      this.waiting = null;
    } else {
      this.signals.push(signal);
    }
  }

  take() {
    if (this.signals.length > 0) {
      return Promise.resolve(this.signals.shift());
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing has come')), LIMIT_MS);
      this.waiting = (signal) => {
        clearTimeout(timer);
        resolve(signal);
      };
    });
  }

  async next(wanted) {
    const signal = await this.take();
    if (!signal.payload) {
      throw new Error(`instead of a payload: ${describe(signal)}`);
    }
    same(signal.payload, wanted);
  }

  async completed() {
    const signal = await this.take();
    if (signal !== COMPLETE) {
      throw new Error(`instead of completion: ${describe(signal)}`);
    }
  }

  async failed() {
    const signal = await this.take();
    if (!signal.error) {
      throw new Error(`instead of an error: ${describe(signal)}`);
    }
    return signal.error;
  }

  nothing() {
    if (this.signals.length > 0) {
      throw new Error(`nothing should have come: ${describe(this.signals[0])}`);
    }
  }

  forget() {
    this.signals = [];
  }
}

/** Our side of a channel, which sends no more than the peer asked for. `sink` has onNext(payload, isLast), onComplete and onError. */
class Source {
  constructor(payloads, completes) {
    this.payloads = payloads;
    this.completes = completes;
    this.demand = 0;
    this.sink = null;
    this.isOver = false;
  }

  request(n) {
    this.demand += n;
    this.flush();
  }

  cancel() {
    this.isOver = true;
  }

  add(payload) {
    this.payloads.push(payload);
    this.flush();
  }

  flush() {
    while (this.sink && !this.isOver && this.demand > 0 && this.payloads.length > 0) {
      this.demand -= 1;
      const payload = this.payloads.shift();
      this.isOver = this.completes && this.payloads.length === 0;
      this.sink.onNext(payload, this.isOver);
    }
  }

  complete() {
    this.isOver = true;
    this.sink.onComplete();
  }

  fail(error) {
    this.isOver = true;
    this.sink.onError(error);
  }
}

function pattern(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) {
    bytes[at] = at % 251;
  }
  return bytes;
}

/** No metadata where that is undefined. */
function payload(data, metadata) {
  return { data: pattern(data), metadata: metadata === undefined ? undefined : pattern(metadata) };
}

function text(data) {
  return { data: Buffer.from(data) };
}

/** Neither version tells empty data from none. */
function same(found, wanted) {
  const is = (one, other) => Buffer.compare(Buffer.from(one || ''), Buffer.from(other || '')) === 0;
  const has = (one) => one.metadata !== undefined && one.metadata !== null;
  if (!is(found.data, wanted.data) || !is(found.metadata, wanted.metadata) || has(found) !== has(wanted)) {
    throw new Error(`it is ${sizes(found)}, not ${sizes(wanted)}`);
  }
}

function sizes({ data, metadata }) {
  return `a payload of ${data ? data.length : 'no'} bytes, metadata ${metadata ? metadata.length : metadata}`;
}

function describe(signal) {
  if (signal === COMPLETE) {
    return signal;
  }
  return signal.error ? `${signal.error.code} ${signal.error}` : sizes(signal.payload);
}

module.exports = { Recorder, Source, payload, same, text };
