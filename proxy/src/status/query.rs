//! The query of a page's URL.

use super::AppStatus;
use percent_encoding::percent_decode_str;
use std::fmt;

/// Which applications are shown, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// A text that has to be in what is known of an application, whatever the case of its letters; may be empty.
    pub text: String,
    /// Which states are shown.
    pub state: StateFilter,
    /// The order.
    pub sort: Sort,
    /// The page, counted from 1; 0 counts as 1, and what is too much as the last one.
    pub page: usize,
}

/// Which states are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateFilter {
    /// All.
    #[default]
    All,
    /// Those that are a trouble.
    Troubled,
    /// One.
    Only(AppStatus),
}

/// An order of applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Whether the order is turned round.
    pub is_reversed: bool,
}

/// What applications are sorted by. Those without the value come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// The state, those in trouble first, and in each state those that have it for the shortest time.
    #[default]
    State,
    /// The name.
    Name,
    /// The peer's address.
    Peer,
    /// The time since the connection was accepted, the latest first.
    Connected,
    /// The time since the last scrape, the latest first.
    Scraped,
    /// How long the last scrape took, the fastest first.
    Took,
    /// Bytes of the last text that was served, the fewest first.
    Bytes,
    /// Series of that text, the fewest first.
    Series,
}

/// A query that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuery {
    parameter: &'static str,
    expected: String,
}

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the query parameter `{}` is not {}", self.parameter, self.expected)
    }
}

/// The longest text to filter by, in bytes.
pub(super) const MAX_TEXT: usize = 200;

impl Query {
    /// Reads the query of a URL, without its question mark. Of a parameter that comes several times the last counts, an empty one counts as
    /// not there, and unknown ones are passed over.
    ///
    /// # Errors
    ///
    /// If `state`, `sort` or `page` has a value that is not known, or `q` is longer than 200 bytes.
    pub fn parse(query: &str) -> Result<Self, BadQuery> {
        let mut parsed = Self { page: 1, ..Self::default() };
        for field in query.split('&') {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let value = value.replace('+', " ");
            let value = percent_decode_str(&value).decode_utf8_lossy();
            let value = value.trim();
            match name {
                "q" if value.len() > MAX_TEXT => {
                    return Err(bad("q", format!("of at most {MAX_TEXT} bytes")));
                }
                "q" => value.clone_into(&mut parsed.text),
                _ if value.is_empty() => {}
                "state" => {
                    let known = StateFilter::from_name(value);
                    parsed.state = known.ok_or_else(|| bad("state", names(&StateFilter::NAMES)))?;
                }
                "sort" => {
                    let (is_reversed, key) = match value.strip_prefix('-') {
                        Some(key) => (true, key),
                        None => (false, value),
                    };
                    let known = SortKey::ALL.iter().find(|known| known.name() == key);
                    let all = SortKey::ALL.map(SortKey::name);
                    let key = *known.ok_or_else(|| bad("sort", names(&all)))?;
                    parsed.sort = Sort { key, is_reversed };
                }
                "page" => {
                    let number = value.parse();
                    parsed.page = number.map_err(|_| bad("page", "a number".to_owned()))?;
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

fn bad(parameter: &'static str, expected: String) -> BadQuery {
    BadQuery { parameter, expected }
}

fn names(names: &[&str]) -> String {
    format!("one of {}", names.join(", "))
}

impl StateFilter {
    const NAMES: [&'static str; 10] = [
        "all",
        "troubled",
        "failing",
        "gone",
        "partial",
        "duplicate",
        "slow",
        "connecting",
        "waiting",
        "ok",
    ];

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "troubled" => Some(Self::Troubled),
            name => AppStatus::ALL.into_iter().find(|status| status.name() == name).map(Self::Only),
        }
    }

    /// The value of `state` that stands for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Troubled => "troubled",
            Self::Only(status) => status.name(),
        }
    }

    pub(super) fn lets_through(self, status: AppStatus) -> bool {
        match self {
            Self::All => true,
            Self::Troubled => status.is_trouble(),
            Self::Only(only) => only == status,
        }
    }
}

impl AppStatus {
    /// Every state, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Failing,
        Self::Gone,
        Self::Partial,
        Self::Duplicate,
        Self::Slow,
        Self::Connecting,
        Self::Waiting,
        Self::Ok,
    ];

    /// Its name in the query and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Gone => "gone",
            Self::Partial => "partial",
            Self::Duplicate => "duplicate",
            Self::Slow => "slow",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::Ok => "ok",
        }
    }

    /// Whether somebody should look.
    pub fn is_trouble(self) -> bool {
        match self {
            Self::Failing | Self::Gone | Self::Partial | Self::Duplicate | Self::Slow => true,
            Self::Connecting | Self::Waiting | Self::Ok => false,
        }
    }
}

impl SortKey {
    const ALL: [Self; 8] = [
        Self::State,
        Self::Name,
        Self::Peer,
        Self::Connected,
        Self::Scraped,
        Self::Took,
        Self::Bytes,
        Self::Series,
    ];

    /// Its name in the query.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Peer => "peer",
            Self::Connected => "connected",
            Self::Scraped => "scraped",
            Self::Took => "took",
            Self::Bytes => "bytes",
            Self::Series => "series",
        }
    }
}
