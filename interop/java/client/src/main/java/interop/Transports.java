package interop;

import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.rsocket.transport.ClientTransport;
import io.rsocket.transport.netty.client.TcpClientTransport;
import io.rsocket.transport.netty.client.WebsocketClientTransport;
import java.io.File;
import java.util.Map;
import java.util.function.Consumer;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import reactor.netty.http.client.HttpClient;
import reactor.netty.tcp.SslProvider;
import reactor.netty.tcp.TcpClient;

/** The ways to connect to a proxy that Micrometer's client can be given. */
final class Transports {
  static ClientTransport of(Map<String, String> options) throws SSLException {
    String host = options.getOrDefault("host", "127.0.0.1");
    int port = Integer.parseInt(options.get("port"));
    String kind = options.getOrDefault("transport", "tcp");
    return switch (kind) {
      case "tcp" -> TcpClientTransport.create(host, port);
      case "websocket" -> WebsocketClientTransport.create(host, port);
      case "tls" -> TcpClientTransport.create(TcpClient.create().host(host).port(port).secure(tls(options)));
      case "wss" ->
          WebsocketClientTransport.create(HttpClient.create().host(host).port(port).secure(tls(options)), "/");
      default -> throw new IllegalArgumentException("no such transport: " + kind);
    };
  }

  /** Trusts the one authority of {@code --tls-ca}, and shows the certificate of {@code --tls-cert} where there is one. Files are PEM. */
  private static Consumer<SslProvider.SslContextSpec> tls(Map<String, String> options) throws SSLException {
    SslContextBuilder builder = SslContextBuilder.forClient().trustManager(new File(options.get("tls-ca")));
    if (options.containsKey("tls-cert")) {
      builder.keyManager(new File(options.get("tls-cert")), new File(options.get("tls-key")));
    }
    if (options.containsKey("tls-version")) {
      builder.protocols(options.get("tls-version"));
    }
    SslContext context = builder.build();
    return spec -> spec.sslContext(context).handlerConfigurator(Transports::checkHostName);
  }

  /** Netty takes a trusted certificate of any host unless told otherwise. */
  private static void checkHostName(SslHandler handler) {
    SSLParameters parameters = handler.engine().getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    handler.engine().setSSLParameters(parameters);
  }

  private Transports() {}
}
