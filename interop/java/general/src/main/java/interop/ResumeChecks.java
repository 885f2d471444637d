package interop;

import io.rsocket.DuplexConnection;
import io.rsocket.Payload;
import io.rsocket.RSocket;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** The transport is cut while something is under way, and nothing is lost or comes twice. */
final class ResumeChecks {
  private final RSocket socket;
  private final AtomicReference<DuplexConnection> current;
  private final Report report;

  ResumeChecks(RSocket socket, AtomicReference<DuplexConnection> current, Report report) {
    this.socket = socket;
    this.current = current;
    this.report = report;
  }

  void all() {
    report.check("idle", this::idle);
    report.check("in-a-stream-that-waits-for-credit", this::inAWaitingStream);
    report.check("in-a-stream-under-way", this::inAStreamUnderWay);
    report.check("with-requests-made-meanwhile", this::withRequestsMadeMeanwhile);
  }

  private void idle() throws Exception {
    answered(10, socket.requestResponse(Payloads.of(10, -1)).toFuture());
    cutAndReturn();
    answered(10, socket.requestResponse(Payloads.of(10, -1)).toFuture());
  }

  private void inAWaitingStream() throws Exception {
    Recorder recorder = new Recorder(3);
    socket.requestStream(Payloads.of(10, 3)).subscribe(recorder);
    for (int number = 1; number <= 3; number++) {
      recorder.next(Payloads.of(10, 3));
    }
    cutAndReturn();
    recorder.request(100);
    for (int number = 4; number <= 10; number++) {
      recorder.next(Payloads.of(10, 3));
    }
    recorder.completed();
  }

  private void inAStreamUnderWay() throws Exception {
    Recorder recorder = new Recorder(Long.MAX_VALUE);
    socket.requestStream(Payloads.of(50_000, -1)).subscribe(recorder);
    recorder.next(Payloads.of(50_000, -1));
    cutAndReturn();
    for (int number = 2; number <= 10; number++) {
      recorder.next(Payloads.of(50_000, -1));
    }
    recorder.completed();
  }

  private void withRequestsMadeMeanwhile() throws Exception {
    current.get().dispose();
    CompletableFuture<Payload> small = socket.requestResponse(Payloads.of(5, -1)).toFuture();
    CompletableFuture<Payload> large = socket.requestResponse(Payloads.of(50_000, -1)).toFuture();
    answered(5, small);
    answered(50_000, large);
  }

  /** Ends the transport; the session comes back over another by itself. */
  private void cutAndReturn() throws Exception {
    DuplexConnection former = current.get();
    former.dispose();
    for (int tries = 0; current.get() == former; tries++) {
      if (tries == 1500) {
        throw new AssertionError("it did not come back");
      }
      Thread.sleep(Duration.ofMillis(10).toMillis());
    }
  }

  private static void answered(int length, CompletableFuture<Payload> answer) throws Exception {
    Payloads.check(answer.get(15, TimeUnit.SECONDS), Payloads.of(length, -1));
  }
}
