package interop;

import io.micrometer.prometheus.rsocket.autoconfigure.EnablePrometheusRSocketProxyServer;
import io.micrometer.prometheus.rsocket.autoconfigure.PrometheusRSocketClientAutoConfiguration;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** The original proxy: its published parts, and the main class that is not. */
@SpringBootApplication(exclude = PrometheusRSocketClientAutoConfiguration.class)
@EnablePrometheusRSocketProxyServer
public class Proxy {
  public static void main(String[] args) {
    SpringApplication.run(Proxy.class, args);
  }
}
