package interop;

import io.micrometer.core.instrument.Counter;
import io.micrometer.prometheus.PrometheusConfig;
import io.micrometer.prometheus.PrometheusMeterRegistry;
import io.micrometer.prometheus.rsocket.PrometheusRSocketClient;
import io.rsocket.transport.ClientTransport;
import io.rsocket.transport.netty.client.TcpClientTransport;
import io.rsocket.transport.netty.client.WebsocketClientTransport;
import java.io.BufferedReader;
import java.io.InputStreamReader;

/**
 * An application with Micrometer's own client, as published. Arguments: transport (tcp or websocket), host, port, name, and the
 * value that its counter begins with. It says CONNECTED once it has the proxy's key, takes commands on standard input, a line
 * each, and says DONE and the command when one is through: {@code inc N}, {@code push}, {@code push-blocking}, {@code close}.
 * It ends with its input.
 */
public final class Client {
  public static void main(String[] args) throws Exception {
    String name = args[3];
    PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    registry.config().commonTags("application", name);
    Counter orders = Counter.builder("interop.orders").description("Orders of " + name).register(registry);
    orders.increment(Double.parseDouble(args[4]));
    PrometheusRSocketClient client =
        PrometheusRSocketClient.build(registry, transport(args[0], args[1], Integer.parseInt(args[2])))
            .connectBlockingly();
    System.out.println("CONNECTED");
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      String[] words = line.split(" ");
      switch (words[0]) {
        case "inc" -> orders.increment(Double.parseDouble(words[1]));
        case "push" -> client.pushAndClose();
        case "push-blocking" -> client.pushAndCloseBlockingly();
        case "close" -> client.close();
        default -> throw new IllegalArgumentException(line);
      }
      System.out.println("DONE " + line);
    }
  }

  private static ClientTransport transport(String kind, String host, int port) {
    return switch (kind) {
      case "tcp" -> TcpClientTransport.create(host, port);
      case "websocket" -> WebsocketClientTransport.create(host, port);
      default -> throw new IllegalArgumentException(kind);
    };
  }
}
