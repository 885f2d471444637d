package interop;

import io.micrometer.prometheus.rsocket.autoconfigure.EnablePrometheusRSocketProxyServer;
import io.micrometer.prometheus.rsocket.autoconfigure.PrometheusRSocketClientAutoConfiguration;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** The original proxy, put together from its published parts as its own main class does. */
@SpringBootApplication(exclude = PrometheusRSocketClientAutoConfiguration.class)
@EnablePrometheusRSocketProxyServer
public class JavaProxy {
  public static void main(String[] args) {
    SpringApplication.run(JavaProxy.class, args);
  }
}
