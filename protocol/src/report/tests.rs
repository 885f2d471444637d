use super::{Report, ReportKind};
use bytes::Bytes;

#[test]
fn a_report_is_read_as_it_was_written() {
    for kind in [ReportKind::Served, ReportKind::Refused, ReportKind::Reduced, ReportKind::Collided]
    {
        let report = Report::new(kind, "line 3, byte 7: not a number");
        assert_eq!(Report::decode(report.encode()), Some(report));
    }
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let report = Report::new(ReportKind::Refused, "é".repeat(600) + "x");
    assert_eq!(report.message.len(), 1024);
    assert_eq!(
        Report::new(ReportKind::Refused, "x".to_owned() + &"é".repeat(600)).message.len(),
        1023
    );
    assert_eq!(Report::decode(report.encode()), Some(report));
}

#[test]
fn other_metadata_is_no_report() {
    let whole = Report::new(ReportKind::Reduced, "m").encode();
    assert_eq!(Report::decode(Bytes::new()), None);
    for len in 0..whole.len() - 1 {
        assert_eq!(Report::decode(whole.slice(..len)), None, "{len} bytes");
    }
    let mut unknown = whole.to_vec();
    let at = unknown.len() - 2;
    unknown[at] = 9;
    assert_eq!(Report::decode(unknown.into()), None);
}
