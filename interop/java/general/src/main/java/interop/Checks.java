package interop;

import io.rsocket.Payload;
import io.rsocket.RSocket;
import io.rsocket.exceptions.ApplicationErrorException;
import io.rsocket.util.DefaultPayload;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import reactor.core.Disposable;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

/** What an echo server has to do. The names are those of the Rust client's checks. */
final class Checks {
  private static final Duration LIMIT = Duration.ofSeconds(15);
  private final RSocket socket;
  private final Report report;

  Checks(RSocket socket, Report report) {
    this.socket = socket;
    this.report = report;
  }

  void all() {
    requests();
    streams();
    channels();
  }

  private void requests() {
    for (int length : new int[] {0, 1, 10_000, 1_000_000}) {
      report.check("response/data-" + length, () -> echo(length, -1));
    }
    int[][] lengths = {{4, 0}, {0, 0}, {0, 5}, {10, 10}, {5, 100_000}, {100_000, 70}};
    for (int[] both : lengths) {
      report.check("response/data-" + both[0] + "-metadata-" + both[1], () -> echo(both[0], both[1]));
    }
    report.check("response/many-at-once", this::manyAtOnce);
    report.check("response/reject", () -> rejected(socket.requestResponse(Payloads.text("reject"))));
    report.check("response/cancel", this::cancelResponse);
    report.check("fire-and-forget/data", () -> tell(Payloads.text("told")));
    report.check("fire-and-forget/data-100000-metadata-0", () -> tell(Payloads.of(100_000, 0)));
    report.check("metadata-push", this::pushMetadata);
  }

  private void streams() {
    report.check("stream/one-at-a-time", this::oneAtATime);
    report.check("stream/all-at-once", () -> allAtOnce(Payloads.of(5, -1)));
    report.check("stream/metadata-empty", () -> allAtOnce(Payloads.of(5, 0)));
    report.check("stream/data-10000-metadata-300", () -> allAtOnce(Payloads.of(10_000, 300)));
    report.check("stream/data-1000000", () -> allAtOnce(Payloads.of(1_000_000, -1)));
    report.check("stream/cancel", () -> cancelStream(Long.MAX_VALUE));
    report.check("stream/cancel-without-credit", () -> cancelStream(3));
    report.check("stream/reject", () -> rejected(socket.requestStream(Payloads.text("reject"))));
  }

  private void channels() {
    IntFunction<Payload> small = number -> Payloads.of(number, number % 2 == 0 ? number / 2 : -1);
    IntFunction<Payload> large = number -> Payloads.of(20_000 + number, number * 100);
    report.check("channel/one-at-a-time", () -> exchange(20, small, 1));
    report.check("channel/all-at-once", () -> exchange(100, small, 1000));
    report.check("channel/long-payloads", () -> exchange(20, large, 3));
    report.check("channel/data-1000000", () -> exchange(3, number -> Payloads.of(1_000_000, -1), 2));
    report.check("channel/one-payload-and-complete", () -> exchange(1, number -> Payloads.of(5, -1), 10));
    report.check("channel/complete-afterwards", this::completeAfterwards);
    report.check("channel/cancel", this::cancelChannel);
    report.check("channel/error", this::failChannel);
    report.check("channel/reject-first", () -> rejected(socket.requestChannel(Flux.just(Payloads.text("reject"), Payloads.text("more")))));
    report.check("channel/reject-third", this::rejectThird);
  }

  void echo(int data, int metadata) {
    Payload answer = socket.requestResponse(Payloads.of(data, metadata)).block(LIMIT);
    Payloads.check(answer, Payloads.of(data, metadata));
  }

  /** What the server had to say before has come when this is answered. */
  private void ping() {
    echo(4, -1);
    echo(4, -1);
  }

  private void manyAtOnce() {
    List<Payload> wanted = IntStream.range(0, 50).mapToObj(number -> Payloads.of(number * 997, number % 3 == 0 ? number + 1 : -1)).toList();
    List<Payload> answers =
        Flux.fromIterable(wanted)
            .flatMapSequential(payload -> socket.requestResponse(DefaultPayload.create(payload)), 50)
            .collectList()
            .block(LIMIT);
    checkAll(answers, wanted);
  }

  private static void checkAll(List<Payload> found, List<Payload> wanted) {
    if (found.size() != wanted.size()) {
      throw new AssertionError(found.size() + " payloads, not " + wanted.size());
    }
    for (int at = 0; at < wanted.size(); at++) {
      Payloads.check(found.get(at), wanted.get(at));
    }
  }

  private static void rejected(org.reactivestreams.Publisher<Payload> answer) throws InterruptedException {
    Recorder recorder = new Recorder(100);
    answer.subscribe(recorder);
    isRejection(recorder.failed());
  }

  private static void isRejection(Throwable error) {
    if (!(error instanceof ApplicationErrorException) || !error.getMessage().equals("rejected")) {
      throw new AssertionError("instead of a rejection: " + error);
    }
  }

  private void cancelResponse() {
    Disposable request = socket.requestResponse(Payloads.of(10_000, -1)).subscribe();
    request.dispose();
    ping();
  }

  private void tell(Payload payload) {
    socket.fireAndForget(payload).block(LIMIT);
    ping();
  }

  private void pushMetadata() {
    socket.metadataPush(DefaultPayload.create("", "pushed")).block(LIMIT);
    ping();
  }

  private void oneAtATime() throws InterruptedException {
    Recorder recorder = new Recorder(1);
    socket.requestStream(Payloads.of(5, 5)).subscribe(recorder);
    for (int number = 1; number <= 10; number++) {
      recorder.next(Payloads.of(5, 5));
      if (number < 10) {
        ping();
        recorder.nothing();
        recorder.request(1);
      }
    }
    recorder.completed();
  }

  private void allAtOnce(Payload payload) throws InterruptedException {
    Recorder recorder = new Recorder(Long.MAX_VALUE);
    socket.requestStream(DefaultPayload.create(payload)).subscribe(recorder);
    for (int number = 1; number <= 10; number++) {
      recorder.next(payload);
    }
    recorder.completed();
  }

  private void cancelStream(long credit) throws InterruptedException {
    Recorder recorder = new Recorder(credit);
    socket.requestStream(Payloads.of(2000, -1)).subscribe(recorder);
    for (int number = 1; number <= 3; number++) {
      recorder.next(Payloads.of(2000, -1));
    }
    recorder.cancel();
    recorder.forget();
    ping();
    recorder.nothing();
  }

  /** All come back in order, no more at a time than {@code window}. */
  private void exchange(int count, IntFunction<Payload> make, int window) throws InterruptedException {
    Recorder recorder = new Recorder(window);
    socket.requestChannel(Flux.range(1, count).map(make::apply)).subscribe(recorder);
    for (int number = 1; number <= count; number++) {
      recorder.next(make.apply(number));
      recorder.request(1);
    }
    recorder.completed();
  }

  private void completeAfterwards() throws InterruptedException {
    Sinks.Many<Payload> ours = Sinks.many().unicast().onBackpressureBuffer();
    Recorder recorder = new Recorder(10);
    socket.requestChannel(ours.asFlux()).subscribe(recorder);
    for (int number = 1; number <= 5; number++) {
      ours.tryEmitNext(Payloads.of(number, number)).orThrow();
      recorder.next(Payloads.of(number, number));
    }
    ping();
    recorder.nothing();
    ours.tryEmitComplete().orThrow();
    recorder.completed();
  }

  private void cancelChannel() throws InterruptedException {
    Recorder recorder = new Recorder(3);
    Flux<Payload> ours = Flux.range(1, 5).map(number -> Payloads.of(number, -1));
    socket.requestChannel(ours.concatWith(Mono.never())).subscribe(recorder);
    recorder.next(Payloads.of(1, -1));
    recorder.next(Payloads.of(2, -1));
    recorder.cancel();
    recorder.forget();
    ping();
    recorder.nothing();
  }

  private void failChannel() throws InterruptedException {
    Sinks.Many<Payload> ours = Sinks.many().unicast().onBackpressureBuffer();
    Recorder recorder = new Recorder(10);
    socket.requestChannel(ours.asFlux()).subscribe(recorder);
    for (int number = 1; number <= 2; number++) {
      ours.tryEmitNext(Payloads.of(number, -1)).orThrow();
      recorder.next(Payloads.of(number, -1));
    }
    ours.tryEmitError(new ApplicationErrorException("given up")).orThrow();
    recorder.failed();
    ping();
  }

  private void rejectThird() throws InterruptedException {
    List<Payload> ours = new ArrayList<>(List.of(Payloads.of(1, -1), Payloads.of(2, -1), Payloads.text("reject"), Payloads.of(4, -1)));
    Recorder recorder = new Recorder(100);
    socket.requestChannel(Flux.fromIterable(ours).concatWith(Mono.never())).subscribe(recorder);
    recorder.next(Payloads.of(1, -1));
    recorder.next(Payloads.of(2, -1));
    isRejection(recorder.failed());
    ping();
  }
}
