package interop;

import io.rsocket.DuplexConnection;
import io.rsocket.RSocket;
import io.rsocket.core.RSocketConnector;
import io.rsocket.core.Resume;
import io.rsocket.resume.InMemoryResumableFramesStore;
import io.rsocket.transport.ClientTransport;
import io.rsocket.transport.netty.client.TcpClientTransport;
import io.rsocket.transport.netty.client.WebsocketClientTransport;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import reactor.util.retry.Retry;

/**
 * rsocket-java as a client that checks an echo server, one line a check. The status is 0 only if all went well.
 *
 * <p>{@code --transport tcp|websocket --port N --mtu 0 --lease false --resume false --skip NAME}; {@code --mtu} and {@code --skip} may
 * be repeated.
 */
public final class EchoClient {
  private static final Duration LIMIT = Duration.ofSeconds(15);

  public static void main(String[] args) {
    Map<String, String> options = Options.of(args);
    String skipped = options.get("skip");
    Report report = new Report(skipped == null ? List.of() : List.of(skipped.split(",")));
    ClientTransport transport = transport(options);
    for (String mtu : options.getOrDefault("mtu", "0").split(",")) {
      report.under(mtu.equals("0") ? "" : "mtu-" + mtu + "/");
      RSocket socket = RSocketConnector.create().fragment(Integer.parseInt(mtu)).connect(transport).block(LIMIT);
      new Checks(socket, report).all();
      socket.dispose();
    }
    if (options.getOrDefault("lease", "false").equals("true")) {
      report.under("lease/");
      new LeaseChecks(transport, report).all();
    }
    if (options.getOrDefault("resume", "false").equals("true")) {
      report.under("resume/");
      resume(transport, report);
    }
    System.out.println(report.passed + " passed, " + report.failed + " failed");
    System.exit(report.failed == 0 && report.passed > 0 ? 0 : 1);
  }

  private static ClientTransport transport(Map<String, String> options) {
    int port = Integer.parseInt(options.get("port"));
    return options.getOrDefault("transport", "tcp").equals("tcp")
        ? TcpClientTransport.create("127.0.0.1", port)
        : WebsocketClientTransport.create("127.0.0.1", port);
  }

  private static void resume(ClientTransport transport, Report report) {
    AtomicReference<DuplexConnection> current = new AtomicReference<>();
    ClientTransport watched = () -> transport.connect().doOnNext(current::set);
    Resume resume =
        new Resume()
            .retry(Retry.fixedDelay(50, Duration.ofMillis(20)))
            .storeFactory(token -> new InMemoryResumableFramesStore("client", token, 16 * 1024 * 1024));
    RSocket socket = RSocketConnector.create().resume(resume).connect(watched).block(LIMIT);
    new ResumeChecks(socket, current, report).all();
    socket.dispose();
  }
}
