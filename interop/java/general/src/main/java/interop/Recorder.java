package interop;

import io.rsocket.Payload;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.reactivestreams.Subscription;
import reactor.core.publisher.BaseSubscriber;

/** A subscriber that asks only when it is told to, and keeps what comes for whoever waits for it. */
final class Recorder extends BaseSubscriber<Payload> {
  private static final Object COMPLETE = "completion";
  private final BlockingQueue<Object> signals = new LinkedBlockingQueue<>();
  private final long first;

  /** Asks for so many at first. */
  Recorder(long first) {
    this.first = first;
  }

  @Override
  protected void hookOnSubscribe(Subscription subscription) {
    request(first);
  }

  @Override
  protected void hookOnNext(Payload payload) {
    signals.add(payload);
  }

  @Override
  protected void hookOnComplete() {
    signals.add(COMPLETE);
  }

  @Override
  protected void hookOnError(Throwable error) {
    signals.add(error);
  }

  void next(Payload wanted) throws InterruptedException {
    Object signal = take();
    if (!(signal instanceof Payload payload)) {
      throw new AssertionError("instead of a payload: " + signal);
    }
    Payloads.check(payload, wanted);
  }

  void completed() throws InterruptedException {
    Object signal = take();
    if (signal != COMPLETE) {
      throw new AssertionError("instead of completion: " + signal);
    }
  }

  Throwable failed() throws InterruptedException {
    Object signal = take();
    if (!(signal instanceof Throwable error)) {
      throw new AssertionError("instead of an error: " + signal);
    }
    return error;
  }

  void nothing() {
    if (!signals.isEmpty()) {
      throw new AssertionError("nothing should have come: " + signals.peek());
    }
  }

  void forget() {
    signals.clear();
  }

  private Object take() throws InterruptedException {
    Object signal = signals.poll(15, TimeUnit.SECONDS);
    if (signal == null) {
      throw new AssertionError("nothing has come");
    }
    return signal;
  }
}
