use super::{BodyFormat, Contents, Fault, read};
use crate::neighbours;
use crate::report::Kind;
use crate::text::{COMMENTS, Ending, Shape, samples, served};

const JOINED: BodyFormat =
    BodyFormat { grouped: false, open_metrics: false, states: true, is_version_1: false };
const GROUPED: BodyFormat =
    BodyFormat { grouped: true, open_metrics: false, states: true, is_version_1: false };
const OPEN_METRICS: BodyFormat =
    BodyFormat { grouped: true, open_metrics: true, states: true, is_version_1: false };

fn shape(app: usize, serial: usize) -> Option<Shape> {
    let ending = if app == 2 { Ending::Eof } else { Ending::Break };
    (app < 4).then_some(Shape { lines: serial as u32 + 1, ending, instance: Some(app) })
}

fn text(app: usize, serial: usize) -> String {
    served(app, serial, shape(app, serial).unwrap(), 0)
}

fn state(name: &str, reason: &str, samples: usize) -> [String; 4] {
    let up = if reason.is_empty() {
        format!("{{{name}}} 1")
    } else {
        format!("{{{name},reason=\"{reason}\"}} 0")
    };
    [up, format!("{{{name}}} 0.5"), format!("{{{name}}} {samples}"), format!("{{{name}}} 0")]
}

fn states(states: &[[String; 4]]) -> String {
    let mut text = String::new();
    for (nth, family) in super::FAMILIES.iter().enumerate() {
        text += &format!("# HELP {family} It is.\n# TYPE {family} gauge\n");
        states.iter().for_each(|state| text += &format!("{family}{}\n", state[nth]));
    }
    text
}

fn three() -> String {
    states(&[
        state("instance=\"app-1\"", "", 4),
        state("app=\"connection-9\"", "timeout", 0),
        state("instance=\"app-2\"", "gone", 6),
    ])
}

fn body(format: BodyFormat, body: &str) -> Result<Contents, Fault> {
    read(body.as_bytes(), format, shape)
}

fn kind(format: BodyFormat, text: &str) -> Kind {
    body(format, text).unwrap_err().0
}

#[test]
fn joined_texts_are_told_apart() {
    let contents = body(JOINED, &(text(1, 2) + &text(2, 4) + &three())).unwrap();
    assert_eq!(contents.sections, [(1, 2), (2, 4)]);
    let rows: Vec<_> = contents.rows.iter().map(|row| (row.app, row.serial, row.samples)).collect();
    assert_eq!(rows, [(Some(1), Some(2), 4), (None, None, 0), (Some(2), Some(4), 6)]);
    assert_eq!(contents.rows[2].reason.as_deref(), Some("gone"));
    assert_eq!(body(JOINED, &states(&[])).unwrap(), Contents::default());
}

#[test]
fn what_is_not_as_it_was_given_is_altered() {
    let whole = text(1, 2) + &text(2, 4);
    for broken in [&whole[1..], &whole[..whole.len() - 1], &whole[..30], "", "x 1\n"] {
        let broken = format!("{broken}{}", three());
        let kind = kind(JOINED, &broken);
        assert!([Kind::Altered, Kind::Untrue].contains(&kind), "{broken}");
    }
    assert_eq!(kind(JOINED, &whole), Kind::Altered);
    assert_eq!(
        kind(JOINED, &(whole.replace("line=\"1\"", "line=\"9\"") + &three())),
        Kind::Altered
    );
    assert_eq!(
        kind(JOINED, &(text(1, 2).replace("app=\"1\"", "app=\"7\"") + &three())),
        Kind::Altered
    );
}

#[test]
fn series_of_an_earlier_text_of_the_application_are_left_out() {
    let second = served(1, 5, shape(1, 5).unwrap(), 3);
    let twice =
        states(&[state("app=\"connection-1\"", "gone", 4), state("app=\"connection-2\"", "", 4)]);
    let contents = body(JOINED, &(text(1, 2) + &second + &twice)).unwrap();
    assert_eq!(contents.sections, [(1, 2), (1, 5)]);
    assert_eq!(kind(JOINED, &(text(1, 2) + &text(1, 5) + &twice)), Kind::Altered);
}

#[test]
fn comments_of_an_empty_family_stay_where_the_client_has_converted_the_text() {
    // The later text of app-2 has all series of the earlier one except the first.
    let emptied = served(2, 1, shape(2, 1).unwrap(), 2);
    let kept = emptied.clone() + COMMENTS;
    let twice =
        states(&[state("app=\"connection-1\"", "gone", 1), state("app=\"connection-2\"", "", 6)]);
    let version_1 = BodyFormat { is_version_1: true, ..JOINED };
    for (format, right, wrong) in [(JOINED, &emptied, &kept), (version_1, &kept, &emptied)] {
        let contents = body(format, &(right.clone() + &text(2, 4) + &twice)).unwrap();
        assert_eq!(contents.sections, [(2, 1), (2, 4)]);
        assert_eq!(kind(format, &(wrong.clone() + &text(2, 4) + &twice)), Kind::Altered);
    }
}

#[test]
fn of_several_pushes_the_latest_counts() {
    let first = served(1, 5, shape(1, 5).unwrap(), 3);
    let whole = first + &text(1, 2);
    let one = states(&[state("app=\"connection-1\"", "gone", 8)]);
    let contents = body(JOINED, &(whole.clone() + &one)).unwrap();
    assert_eq!(contents.sections, [(1, 5), (1, 2)]);
    assert_eq!((contents.rows.len(), contents.rows[0].serial), (1, Some(2)));
    // Each series is there once, with the value that counts, and none is missing.
    for broken in [text(1, 5) + &text(1, 2), served(1, 5, shape(1, 5).unwrap(), 4) + &text(1, 2)] {
        assert_eq!(kind(JOINED, &(broken + &one)), Kind::Altered);
    }
    let one = states(&[state("app=\"connection-1\"", "gone", 7)]);
    assert_eq!(kind(JOINED, &(whole + &one)), Kind::Untrue);
}

#[test]
fn comments_alone_are_left_of_a_text_that_is_there_twice() {
    let whole = text(1, 2) + &text(2, 4);
    let comments = super::comments(&text(1, 2));
    assert!(!comments.is_empty());
    for left in [comments.repeat(2), comments.clone() + &super::comments(&text(2, 4))] {
        let contents = body(JOINED, &(whole.clone() + &left + &three())).unwrap();
        assert_eq!(contents.sections, [(1, 2), (2, 4)]);
    }
    assert_eq!(kind(JOINED, &(whole + &comments[1..] + &three())), Kind::Altered);
}

#[test]
fn grouped_texts_are_gathered_again() {
    let lines: Vec<String> = [(1, 2), (2, 4)]
        .into_iter()
        .flat_map(|(app, serial)| samples(app, serial, shape(app, serial).unwrap(), 0))
        .collect();
    let (heads, values): (Vec<&String>, Vec<&String>) =
        lines.iter().partition(|line| line.starts_with("sim_text"));
    let mut grouped = "# TYPE sim_text gauge\n".to_owned();
    heads.iter().for_each(|line| grouped += &format!("{line}\n"));
    values.iter().for_each(|line| grouped += &format!("{line}\n"));
    let whole = format!("{grouped}{}", three());
    assert_eq!(body(GROUPED, &whole).unwrap().sections, [(1, 2), (2, 4)]);
    assert_eq!(body(OPEN_METRICS, &format!("{whole}# EOF\n")).unwrap().rows.len(), 3);
    assert_eq!(kind(OPEN_METRICS, &whole), Kind::Altered);
    let lacking = whole.replace(&format!("{}\n", values[3]), "");
    assert_eq!(kind(GROUPED, &lacking), Kind::Altered);
}

#[test]
fn states_have_to_be_those_of_the_texts() {
    let text = text(1, 2);
    let name = "instance=\"app-1\"";
    let own = state(name, "", 4);
    for wrong in [
        vec![],
        vec![state(name, "", 3)],
        vec![state("instance=\"app-2\"", "", 4)],
        vec![own.clone(), own.clone()],
        vec![own.clone(), state("instance=\"app-2\"", "", 2)],
        vec![own.clone(), state("instance=\"app-2\"", "tired", 0)],
        vec![["{a=\"b\"} 1".to_owned(), own[1].clone(), own[2].clone(), own[3].clone()]],
        vec![[own[0].replace('1', "0"), own[1].clone(), own[2].clone(), own[3].clone()]],
    ] {
        let whole = format!("{text}{}", states(&wrong));
        assert_eq!(kind(JOINED, &whole), Kind::Untrue, "{whole}");
    }
}

#[test]
fn neighbours_may_be_served_as_they_are() {
    for kind in 0..20 {
        let app = neighbours::FIRST + kind;
        let Some(text) = neighbours::served(app, 3, JOINED) else { continue };
        let count = text.lines().filter(|line| !line.starts_with('#')).count();
        let whole = text + &states(&[state("app=\"connection-1\"", "", count)]);
        let contents = body(JOINED, &whole).unwrap();
        assert_eq!(contents.sections, []);
        assert_eq!(contents.rows[0].app, Some(app));
    }
}
