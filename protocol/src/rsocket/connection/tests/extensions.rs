use super::*;

fn ext(stream_id: u32, can_ignore: bool) -> Frame {
    let body = Body::Ext { extended_type: 7, payload: Payload::new("m", "d") };
    Frame { stream_id: id(stream_id), can_ignore, body }
}

#[test]
fn extensions_are_handed_over_where_they_are_served() {
    let mut talk = Talk::server_with(Config { serve_extensions: true, ..Config::default() });
    for (stream_id, can_ignore) in [(0, false), (1, true), (2, false)] {
        talk.hears([ext(stream_id, can_ignore)]);
        let payload = Payload::new("m", "d");
        let stream_id = id(stream_id);
        talk.tells([Event::Extension { stream_id, can_ignore, extended_type: 7, payload }]);
    }
    talk.is_calm();
}

#[test]
fn extensions_are_sent_on_any_stream() {
    let mut talk = Talk::client();
    talk.requests("a");
    for stream_id in [1, 0] {
        let payload = Payload::new("m", "d");
        talk.connection.extension(id(stream_id), true, 7, payload).unwrap();
    }
    talk.says([ext(0, true), request(1, "a"), ext(1, true)]);
}
