package interop;

import java.util.HashMap;
import java.util.Map;

/** Options of the form {@code --name value}; of one that is repeated, the values with commas between. */
final class Options {
  static Map<String, String> of(String[] args) {
    Map<String, String> options = new HashMap<>();
    for (int at = 0; at + 1 < args.length; at += 2) {
      options.merge(args[at].substring("--".length()), args[at + 1], (one, other) -> one + "," + other);
    }
    return options;
  }

  private Options() {}
}
