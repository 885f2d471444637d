//! Sets of applications, each from a seed.

use crate::dice::Dice;
use crate::mutate::mutate;
use crate::text::{Style, text};

/// One application: what it sent.
pub(crate) struct Application {
    pub(crate) text: Vec<u8>,
    /// Labels that it said when it connected.
    pub(crate) identity: Vec<(&'static str, String)>,
}

/// The applications of a set.
pub(crate) fn set(seed: u64) -> Vec<Application> {
    let mut dice = Dice::new(seed);
    (0..=dice.below(5)).map(|number| application(&mut dice, number)).collect()
}

fn application(dice: &mut Dice, number: usize) -> Application {
    // Some take each other's name, or the same one.
    let name = if dice.once_in(8) { "a0".to_owned() } else { format!("a{number}") };
    let style = if dice.once_in(5) { Style::Open } else { Style::Text };
    let oddity = [0, 0, 0, 5, 20, 100, 300][dice.below(7)];
    dice.set_oddity(oddity);
    let mut text = text(dice, style, &name);
    if dice.once_in(80) {
        text = bulk(dice, &name);
    }
    if dice.once_in(7) {
        mutate(dice, &mut text);
    }
    let identity = match dice.below(4) {
        0 => vec![("instance", name)],
        1 => vec![("application", name.clone()), ("instance", format!("{name}:9090"))],
        _ => Vec::new(),
    };
    Application { text, identity }
}

/// Many samples, in families that go on and on or in many that are short.
fn bulk(dice: &mut Dice, name: &str) -> Vec<u8> {
    let mut text = String::new();
    let shelves = 1 + dice.below(300);
    for number in 0..shelves {
        if number == 0 || shelves > 200 {
            text.push_str(&format!(
                "# TYPE bulk{} gauge\n",
                if shelves > 200 { number } else { 0 }
            ));
        }
        text.push_str(&format!(
            "bulk{}{{app=\"{name}\",shelf=\"{number}\"}} {number}\n",
            if shelves > 200 { number } else { 0 }
        ));
    }
    text.into_bytes()
}
