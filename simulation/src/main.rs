fn main() {
    let from: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1);
    let to: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(from);
    let mut all = prometheus_rsocket_simulation::Counts::default();
    for seed in from..=to {
        let report = prometheus_rsocket_simulation::run(
            &prometheus_rsocket_simulation::Scenario::new(seed),
            |sim| {
                if std::env::args().nth(3).is_some() {
                    sim.log_to(|at, line| println!("{:.6} {line}", at.as_secs_f64()));
                }
            },
        );
        println!("{report}");
        all.add_all(&report.counts);
    }
    println!("{all}");
}
