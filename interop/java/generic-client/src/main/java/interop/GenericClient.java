package interop;

import io.micrometer.prometheus.rsocket.PrometheusRSocketClient;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.Map;

/**
 * An {@link Application} with the registry that Micrometer has since 1.13, which Micrometer's RSocket client does not know: it is given what
 * to send. With {@code --openmetrics true}, that is OpenMetrics.
 */
public final class GenericClient {
  private static final String OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

  public static void main(String[] args) throws Exception {
    PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    Map<String, String> options = Application.options(args);
    boolean openMetrics = Boolean.parseBoolean(options.get("openmetrics"));
    Application.run(
        args,
        registry,
        transport ->
            PrometheusRSocketClient.build(
                registry, () -> openMetrics ? registry.scrape(OPENMETRICS) : registry.scrape(), transport));
  }

  private GenericClient() {}
}
