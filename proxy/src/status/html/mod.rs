//! The pages. Every text that a peer may have chosen is written by [`text`](self::write::text) or [`long_text`](self::write::long_text).

mod app;
mod overview;
mod tables;
mod write;

pub(crate) use app::{app, unknown_app};
pub(crate) use overview::overview;

/// The style of all pages, exactly as it is in them.
pub(super) const STYLE: &str = include_str!("style.css");

/// The script of the pages that keep themselves up to date, exactly as it is in them.
pub(super) const SCRIPT: &str = include_str!("live.js");

/// A whole page. `main` is HTML. The script is in pages that are `live`.
fn page(title: &str, head: &str, main: &str, is_live: bool) -> String {
    let (bar, script) = match is_live {
        true => ("<div id=\"live\" class=\"m\"></div>\n", format!("<script>{SCRIPT}</script>\n")),
        false => ("", String::new()),
    };
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
{head}{bar}</header>
<main>
{main}</main>
{script}</body>
</html>
"
    )
}
