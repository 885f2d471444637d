use crate::program::program;

fn printed(args: &[&str]) -> String {
    let output = program().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn manual_and_completions_have_the_programs_name_and_options() {
    let manual = printed(&["--print-man"]);
    assert!(manual.contains(".TH prometheus-rsocket-client 1"), "{manual}");
    assert!(manual.contains("\\-\\-scrape"), "{manual}");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["--print-completions", shell]);
        let has_names = ["prometheus-rsocket-client", "push-timeout"];
        assert!(has_names.iter().all(|name| script.contains(name)), "{shell}: {script}");
    }
}
