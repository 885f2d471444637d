/// A behaviour that the macro does not list would never be tested.
#[test]
fn every_behaviour_is_in_the_suite() {
    let suite = include_str!("mod.rs");
    let groups = [
        ("connections", include_str!("connections.rs")),
        ("ending", include_str!("ending.rs")),
        ("jobs", include_str!("jobs.rs")),
        ("sockets", include_str!("sockets.rs")),
        ("streams", include_str!("streams.rs")),
        ("tasks", include_str!("tasks.rs")),
        ("timers", include_str!("timers.rs")),
    ];
    for (group, source) in groups {
        let listed = suite.split(&format!("(@{group} ")).nth(1).expect("a list of the group");
        let listed = listed.split(");").next().expect("its end");
        let defined = source.lines().filter_map(|line| {
            let line = line.strip_prefix("pub ")?;
            line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?.split('<').next()
        });
        let mut count = 0;
        for behaviour in defined {
            assert!(listed.lines().any(|line| line.trim() == behaviour), "{group}: {behaviour}");
            count += 1;
        }
        assert!(count > 0, "{group}");
    }
}
