package interop;

import io.micrometer.prometheus.PrometheusConfig;
import io.micrometer.prometheus.PrometheusMeterRegistry;
import io.micrometer.prometheus.rsocket.PrometheusRSocketClient;

/** An {@link Application} with the registry that Micrometer had up to 1.12. */
public final class JavaClient {
  public static void main(String[] args) throws Exception {
    PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    Application.run(args, registry, transport -> PrometheusRSocketClient.build(registry, transport));
  }

  private JavaClient() {}
}
