package interop;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.prometheus.rsocket.PrometheusRSocketClient;
import io.rsocket.transport.ClientTransport;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * An application that uses Micrometer's own client as published, steered from outside.
 *
 * <p>It says {@code CONNECTED} when it has the proxy's key, once per connection, {@code DISCONNECTED} when a connection has
 * ended, and {@code REFUSED} when it could not connect. Standard input is a command a line; it says {@code DONE} and the command
 * when one is through. It ends with its input, so that it never outlives the harness.
 */
final class Application {
  /** Whether the connection at hand still waits for its key: the client's hook is called at every scrape as well. */
  private static final AtomicBoolean AWAITS_KEY = new AtomicBoolean();

  /** Makes the client of an application from its transport. */
  interface Maker {
    PrometheusRSocketClient.Builder make(ClientTransport transport);
  }

  static void run(String[] args, MeterRegistry registry, Maker maker) throws Exception {
    Map<String, String> options = options(args);
    registry.config().commonTags("app", options.get("app"));
    Counter orders = registerMeters(registry, options);

    // Blocking, with default retries: that is what the published Spring Boot starter does.
    PrometheusRSocketClient client =
        maker.make(watched(Transports.of(options))).doOnKeyReceived(Application::onKey).connectBlockingly();

    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      String[] words = line.split(" ");
      switch (words[0]) {
        case "inc" -> orders.increment(Double.parseDouble(words[1]));
        case "push" -> client.pushAndClose();
        case "push-blocking" -> client.pushAndCloseBlockingly();
        case "close" -> client.close();
        case "exit" -> { }
        default -> throw new IllegalArgumentException("no such command: " + line);
      }
      say("DONE " + line);
      if (words[0].equals("exit")) {
        break;
      }
    }
    // Reactor's threads would not keep the JVM, but a client that still connects could delay its end.
    System.exit(0);
  }

  private static Counter registerMeters(MeterRegistry registry, Map<String, String> options) {
    Counter orders = Counter.builder("interop.orders").description("Orders taken").register(registry);
    orders.increment(Double.parseDouble(options.getOrDefault("counter", "0")));
    double temperature = Double.parseDouble(options.getOrDefault("gauge", "0"));
    Gauge.builder("interop.temperature", () -> temperature).description("A value that stays").register(registry);
    int series = Integer.parseInt(options.getOrDefault("cardinality", "0"));
    for (int shelf = 0; shelf < series; shelf++) {
      Counter.builder("interop.items").description("Many series").tag("shelf", "shelf-" + shelf).register(registry).increment(shelf);
    }
    return orders;
  }

  /** The same transport, which says when its connections end, and when it gets none. */
  private static ClientTransport watched(ClientTransport transport) {
    return () ->
        transport
            .connect()
            .doOnNext(
                connection -> {
                  AWAITS_KEY.set(true);
                  connection.onClose().doFinally(signal -> say("DISCONNECTED")).subscribe(nothing -> {}, error -> {});
                })
            .doOnError(
                error -> {
                  say("REFUSED");
                  // For whoever reads the log of a case that failed.
                  System.err.println(error);
                });
  }

  private static void onKey() {
    if (AWAITS_KEY.compareAndSet(true, false)) {
      say("CONNECTED");
    }
  }

  private static void say(String line) {
    System.out.println(line);
  }

  static Map<String, String> options(String[] args) {
    Map<String, String> options = new HashMap<>();
    for (int i = 0; i + 1 < args.length; i += 2) {
      options.put(args[i].substring("--".length()), args[i + 1]);
    }
    return options;
  }
}
