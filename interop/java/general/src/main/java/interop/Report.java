package interop;

import java.util.List;

/** Runs checks and reports each in one line. */
final class Report {
  /** What is run. */
  interface Body {
    void run() throws Exception;
  }

  private final List<String> skipped;
  private String prefix = "";
  int passed;
  int failed;

  /** Leaves out the checks whose names begin with one of these. */
  Report(List<String> skipped) {
    this.skipped = skipped;
  }

  void under(String newPrefix) {
    prefix = newPrefix;
  }

  void check(String what, Body body) {
    String name = prefix + what;
    if (skipped.stream().anyMatch(name::startsWith)) {
      return;
    }
    try {
      body.run();
      passed++;
      System.out.println("ok " + name);
    } catch (Throwable error) {
      failed++;
      System.out.println("FAILED " + name + ": " + error);
    }
  }
}
