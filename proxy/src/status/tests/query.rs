use super::*;
use crate::status::html;

#[test]
fn a_query_says_what_is_shown() {
    let query = Query::parse("q=a+b%26%C3%A9&state=failing&sort=-took&page=3").unwrap();
    assert_eq!(query.text, "a b&é");
    assert_eq!(query.state, StateFilter::Only(AppStatus::Failing));
    assert_eq!(query.sort, Sort { key: SortKey::Took, is_reversed: true });
    assert_eq!(query.page, 3);
}

#[test]
fn what_is_empty_or_unknown_counts_as_not_there() {
    let default = Query { page: 1, ..Query::default() };
    for query in ["", "q=", "state=&sort=&page=", "other=1&&=", "q", "state=all&sort=state", "q=+"]
    {
        assert_eq!(Query::parse(query), Ok(default.clone()), "{query}");
    }
    assert_eq!(Query::parse("page=2&page=5").unwrap().page, 5);
}

#[test]
fn what_makes_no_sense_is_told() {
    for (query, part) in [
        ("state=dead", "`state` is not one of all, troubled, failing"),
        ("sort=--name", "`sort` is not one of state, name"),
        ("page=-1", "`page` is not a number"),
        ("page=99999999999999999999999", "`page`"),
    ] {
        let error = Query::parse(query).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let long = format!("q={}", "x".repeat(201));
    assert!(Query::parse(&long).unwrap_err().to_string().contains("200 bytes"));
}

#[test]
fn bytes_that_are_no_utf8_are_replaced() {
    assert_eq!(Query::parse("q=%ff%3c%zz").unwrap().text, "\u{fffd}<%zz");
}

#[test]
fn links_on_the_page_lead_to_the_same_query() {
    let mut world = World::new();
    for number in 0..250 {
        world.connect(&format!("a{number}"));
    }
    let asked = "q=a%20%22&state=waiting&sort=-name&page=1";
    let query = Query { page: 2, ..Query::parse(asked).unwrap() };
    let page = html::overview(&world.overview(""), &query);
    let expected = "href=\"/?q=a%20%22&amp;state=waiting&amp;sort=-name&amp;page=2\"";
    assert!(page.contains(expected), "{page}");
    assert_eq!(Query::parse("q=a%20%22&state=waiting&sort=-name&page=2"), Ok(query));
}
