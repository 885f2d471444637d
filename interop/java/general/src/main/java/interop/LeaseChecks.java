package interop;

import io.rsocket.Payload;
import io.rsocket.RSocket;
import io.rsocket.core.RSocketConnector;
import io.rsocket.lease.MissingLeaseException;
import io.rsocket.transport.ClientTransport;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import reactor.core.publisher.Flux;

/** Leases of less than 20 requests at a time. */
final class LeaseChecks {
  private static final Duration LIMIT = Duration.ofSeconds(15);
  private final ClientTransport transport;
  private final Report report;

  LeaseChecks(ClientTransport transport, Report report) {
    this.transport = transport;
    this.report = report;
  }

  void all() {
    report.check("used-up-and-renewed", this::usedUpAndRenewed);
    report.check("no-more-than-allowed", this::noMoreThanAllowed);
  }

  /** Requests wait for the leases that they need. */
  private void usedUpAndRenewed() {
    RSocket socket = RSocketConnector.create().lease(spec -> spec.maxPendingRequests(100)).connect(transport).block(LIMIT);
    List<Payload> answers =
        Flux.range(0, 60).flatMap(number -> socket.requestResponse(Payloads.of(number, -1)), 60).collectList().block(LIMIT);
    if (answers.size() != 60) {
      throw new AssertionError(answers.size() + " answers");
    }
    socket.dispose();
  }

  /** Those beyond the lease fail here, without being sent. */
  private void noMoreThanAllowed() {
    RSocket socket = RSocketConnector.create().lease(spec -> spec.maxPendingRequests(1)).connect(transport).block(LIMIT);
    // This one waits for the first lease.
    socket.requestResponse(Payloads.of(1, -1)).block(LIMIT);
    long refused =
        IntStream.range(0, 60)
            .mapToObj(number -> socket.requestResponse(Payloads.of(1, -1)).map(answer -> false)
                .onErrorResume(MissingLeaseException.class, error -> reactor.core.publisher.Mono.just(true)).toFuture())
            .toList().stream()
            .filter(java.util.concurrent.CompletableFuture::join)
            .count();
    if (refused == 0 || refused == 60) {
      throw new AssertionError(refused + " of 60 requests were refused");
    }
    socket.dispose();
  }
}
