package interop;

import io.netty.buffer.ByteBuf;
import io.rsocket.Payload;
import io.rsocket.RSocket;
import io.rsocket.SocketAcceptor;
import io.rsocket.core.RSocketServer;
import io.rsocket.core.Resume;
import io.rsocket.exceptions.ApplicationErrorException;
import io.rsocket.frame.FrameType;
import io.rsocket.lease.Lease;
import io.rsocket.lease.TrackingLeaseSender;
import io.rsocket.resume.InMemoryResumableFramesStore;
import io.rsocket.transport.ServerTransport;
import io.rsocket.transport.netty.server.CloseableChannel;
import io.rsocket.transport.netty.server.TcpServerTransport;
import io.rsocket.transport.netty.server.WebsocketServerTransport;
import io.rsocket.util.DefaultPayload;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;

/**
 * rsocket-java as an echo server. It says what it was told by fire-and-forget and metadata push, and ends with its input.
 *
 * <p>{@code --transport tcp|websocket --port 0 --mtu 0 --lease 0 --resume false}
 */
public final class EchoServer implements RSocket {
  public static void main(String[] args) throws Exception {
    Map<String, String> options = Options.of(args);
    RSocketServer server = RSocketServer.create(SocketAcceptor.with(new EchoServer()));
    server.fragment(Integer.parseInt(options.getOrDefault("mtu", "0")));
    int lease = Integer.parseInt(options.getOrDefault("lease", "0"));
    if (lease > 0) {
      server.lease(spec -> spec.sender(new Leases(lease)));
    }
    if (options.getOrDefault("resume", "false").equals("true")) {
      server.resume(resume());
    }
    CloseableChannel channel = server.bindNow(transport(options));
    System.out.println("listening on 127.0.0.1:" + channel.address().getPort());
    while (System.in.read() >= 0) {
      // Until the harness lets go of it.
    }
    System.exit(0);
  }

  private static ServerTransport<CloseableChannel> transport(Map<String, String> options) {
    int port = Integer.parseInt(options.getOrDefault("port", "0"));
    return options.getOrDefault("transport", "tcp").equals("tcp")
        ? TcpServerTransport.create("127.0.0.1", port)
        : WebsocketServerTransport.create("127.0.0.1", port);
  }

  /** With more memory than the 100,000 bytes of the default, which a few of the checks' payloads exceed. */
  static Resume resume() {
    return new Resume()
        .sessionDuration(Duration.ofSeconds(60))
        .storeFactory(token -> new InMemoryResumableFramesStore("server", token, 16 * 1024 * 1024));
  }

  @Override
  public Mono<Void> fireAndForget(Payload payload) {
    System.out.println("told " + Payloads.beginning(payload.data()));
    return Mono.empty();
  }

  @Override
  public Mono<Void> metadataPush(Payload payload) {
    System.out.println("pushed " + Payloads.beginning(payload.metadata()));
    return Mono.empty();
  }

  @Override
  public Mono<Payload> requestResponse(Payload payload) {
    return Payloads.isReject(payload) ? Mono.error(rejected()) : Mono.just(payload);
  }

  @Override
  public Flux<Payload> requestStream(Payload payload) {
    return Payloads.isReject(payload)
        ? Flux.error(rejected())
        : Flux.range(0, 10).map(number -> DefaultPayload.create(payload));
  }

  @Override
  public Flux<Payload> requestChannel(Publisher<Payload> payloads) {
    return Flux.from(payloads)
        .handle(
            (payload, sink) -> {
              if (Payloads.isReject(payload)) {
                sink.error(rejected());
              } else {
                sink.next(payload);
              }
            });
  }

  private static ApplicationErrorException rejected() {
    return new ApplicationErrorException("rejected");
  }

  /** The next lease when one is used up. */
  private static final class Leases implements TrackingLeaseSender {
    private final int requests;
    private final AtomicInteger left = new AtomicInteger();
    private final Sinks.Many<Lease> leases = Sinks.many().unicast().onBackpressureBuffer();

    Leases(int requests) {
      this.requests = requests;
      grant();
    }

    private void grant() {
      left.set(requests);
      leases.tryEmitNext(Lease.create(Duration.ofSeconds(3600), requests));
    }

    @Override
    public Flux<Lease> send() {
      return leases.asFlux();
    }

    @Override
    public void onStart(int streamId, FrameType type, ByteBuf metadata) {
      if (left.decrementAndGet() == 0) {
        grant();
      }
    }

    @Override
    public void onTerminate(int streamId, FrameType type, Throwable error) {}

    @Override
    public void onCancel(int streamId, FrameType type) {}

    @Override
    public void onReject(Throwable reason, FrameType type, ByteBuf metadata) {
      System.out.println("beyond the lease: " + type);
    }

    @Override
    public void dispose() {}
  }
}
