use super::{Fault, TomlText, nearest};

const TEXT: &str =
    "name = \"a\"\nnames = [\"b\",\n\"\"\"c\nd\"\"\"]\n[[entry]]\nx = 1\n[[entry]]\n";

#[test]
fn values_have_their_types_and_positions() {
    let text = TomlText(TEXT);
    let root = text.parse().unwrap();
    assert_eq!(text.string("name", &root["name"]), Ok("a"));
    let names = text.strings("names", &root["names"]).unwrap();
    assert_eq!(names.iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["b", "c\nd"]);
    assert_eq!(text.fault(names[1].0, "").line, 3);
    let entries = text.tables("entry", &root["entry"]).unwrap();
    assert_eq!(entries.iter().map(|(at, _)| text.fault(*at, "").line).collect::<Vec<_>>(), [5, 7]);
    assert!(entries[0].1.contains_key("x") && entries[1].1.is_empty());
}

#[test]
fn a_fault_has_its_line_and_what_is_right() {
    let text = TomlText(TEXT);
    let root = text.parse().unwrap();
    let fault = |line, what: &str| Some(Fault { line, what: what.to_owned() });
    let names = &root["names"];
    assert_eq!(text.string("names", names).err(), fault(2, "names: must be a string"));
    assert_eq!(text.table("names", names).err(), fault(2, "names: must be a table"));
    assert_eq!(text.tables("names", names).err(), fault(2, "names: must be a table"));
    let entry = &root["entry"];
    assert_eq!(text.strings("entry", entry).err(), fault(5, "entry: must be a string"));
    let what = "name: must be a list of tables, each headed by [[name]]";
    assert_eq!(text.tables("name", &root["name"]).err(), fault(1, what));
    // A fault after the last line is in the last line.
    assert_eq!(text.fault(usize::MAX, "late"), fault(8, "late").unwrap());
}

#[test]
fn a_text_that_is_not_toml_has_a_fault_that_does_not_quote_it() {
    let fault = TomlText("a = 1\nsecret = \"hidden\n").parse().unwrap_err();
    assert_eq!(fault.line, 2);
    assert!(!fault.what.contains("hidden"), "{fault:?}");
}

#[test]
fn the_nearest_name_is_the_most_similar_one() {
    assert_eq!(nearest("listen-tpc", ["listen-http", "listen-tcp", "log"]), Some("listen-tcp"));
    assert_eq!(nearest("x", [] as [&str; 0]), None);
}
