//! The inputs to begin with: the golden vectors of `protocol`, in the form that each target reads.

mod vectors;

use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::collector::PushRecord;
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::report::{Report, ReportKind};
use prometheus_rsocket_testkit::vectors as golden;
use vectors::{frames, metadata, prefixed, scrape, sealed};

/// An input of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// What it is made of.
    pub bytes: Vec<u8>,
}

/// All seeds, of all targets.
pub fn seeds() -> Vec<Seed> {
    let all = [
        ("agent", agent()),
        ("connection", connection()),
        ("envelope", envelope()),
        ("frame", frame()),
        ("framing", framing()),
        ("handshake", handshake()),
        ("hearing", hearing()),
        ("hello", hello()),
        ("metadata", metadata()),
        ("peers", peers()),
        ("record", record()),
        ("render", render()),
        ("resume", resume()),
        ("rsa", rsa()),
        ("sealed", seals()),
        ("session", session()),
        ("snappy", snappy()),
        ("text", text()),
        ("websocket", websocket()),
    ];
    let seeds = all
        .into_iter()
        .flat_map(|(target, inputs)| inputs.into_iter().map(move |bytes| Seed { target, bytes }));
    seeds.collect()
}

/// Bytes behind their length, as [`Input::bytes`](crate::input::Input::bytes) reads them; of longer ones, the first.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(255)];
    [&[bytes.len() as u8], bytes].concat()
}

/// Any choices: the same each time (Marsaglia's xorshift).
fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as u8
    };
    (0..len).map(byte).collect()
}

/// Behind a beginning, choices of several lengths.
fn choices(beginning: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let lens = [20, 60, 120, 250, 400, 600];
    (0..).zip(lens).map(move |(seed, len)| [beginning, &random(seed, len)[..]].concat())
}

fn frame() -> Vec<Vec<u8>> {
    let mut inputs: Vec<_> = frames().iter().map(|frame| [&[0], &frame[..]].concat()).collect();
    // By their values, and in fragments.
    inputs.extend((0..32).map(|kind| [&[128, 0, kind], &random(kind.into(), 40)[..]].concat()));
    inputs
        .extend((0..8).map(|kind| [&[192, 64 + kind * 9], &random(kind.into(), 60)[..]].concat()));
    inputs
}

fn framing() -> Vec<Vec<u8>> {
    let mut inputs: Vec<_> =
        prefixed().iter().map(|frame| [&[0, 3, 1, 2, 5], &frame[..]].concat()).collect();
    let all = prefixed().concat();
    inputs.push([&[0, 2, 7, 50], &all[..]].concat());
    inputs.push([&[140, 0], &all[..]].concat());
    inputs
}

fn hearing() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for frame in prefixed() {
        for flags in [0, 63] {
            // A server that has heard SETUP, cut twice and drained there.
            let head = [flags, 0, 0, 0, 4, 12, 3, 9, 1];
            inputs.push([&head[..], &[0, 0], &counted(&frame)].concat());
        }
        let client = [63, 0, 0, 1, 0];
        inputs.push([&client[..], &[0], &counted(&frame)].concat());
    }
    inputs.extend(choices(&[63, 0, 0, 0, 6, 5, 1, 5, 2, 30, 3, 1]));
    inputs.extend(choices(&[55, 1, 1, 1, 6, 5, 1, 5, 2, 30, 3]));
    inputs
}

fn connection() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for frame in prefixed() {
        // All of the configuration as it is by default, but for what may be switched on.
        let server = [&[36][..], &[0; 17], &[0]].concat();
        inputs.push([&server[..], &[8], &counted(&frame), &[16, 14]].concat());
        let client = [&[36][..], &[0; 17], &[1]].concat();
        inputs.push([&client[..], &[14, 8], &counted(&frame), &[16, 14]].concat());
    }
    let commands = (0..14).map(|kind| {
        let ask = [20, kind % 4, 2, 1, 1, b'm', 2, b'd', b'd', 0];
        let command = [20, kind, 2, 0, 1, b'd', 0];
        [&[55][..], &[0; 18], &[kind & 1], &ask, &[14], &command, &[11, 14, 16]].concat()
    });
    inputs.extend(commands);
    for flags in [0, 1, 63] {
        inputs.extend(choices(&[&[flags][..], &[0; 18], &[flags & 1]].concat()));
    }
    inputs
}

/// One side asks, the other answers, in all ways that there are.
fn talk() -> Vec<Vec<u8>> {
    let (client, server) = (0, 0x80);
    let goes = |from: u8, to: u8| vec![19 | from, 8 | to, 21 | to];
    let mut scripts = Vec::new();
    for kind in 0..4 {
        for (asks, answers) in [(client, server), (server, client)] {
            let mut script = goes(client, server);
            script.extend([4 | asks, kind, 100, 2]);
            script.extend(goes(asks, answers));
            script.extend([13 | answers, 0, 3, 17 | answers, 0, 150]);
            script.extend(goes(answers, asks));
            script.extend([17 | asks, 0, 70, 13 | asks, 0, 2, 3 | answers, 0]);
            script.extend(goes(asks, answers));
            script.extend(goes(answers, asks));
            script.extend([7 | asks, 0, 6 | answers, 0, 15 | answers, 0, 23 | asks, 9]);
            script.extend(goes(asks, answers));
            scripts.push(script);
        }
    }
    scripts
}

fn peers() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for flags in [0, 1, 2, 20, 63] {
        inputs.extend(talk().iter().map(|script| [&[0, flags, 0, 0], &script[..]].concat()));
        for kind in [0, 1] {
            inputs.extend(choices(&[kind, flags, 0, 1]));
        }
    }
    // After SETUP, one of the vectors arrives at either side.
    for frame in prefixed() {
        for who in [0, 0x80] {
            let forged = [&[19, 0x88, 0x95, 29 | who][..], &counted(&frame), &[8 | who, 21 | who]];
            inputs.push([&[1, 32, 0, 0][..], &forged.concat()].concat());
        }
    }
    inputs
}

fn resume() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for flags in [16, 18, 25] {
        for script in talk() {
            let mut cut = vec![1, flags, 0, 0];
            for piece in script.chunks(16) {
                cut.extend_from_slice(piece);
                cut.extend([10, 30, 0x8a, 0, 16, 19, 0x88, 0x93, 8]);
            }
            inputs.push(cut);
        }
        inputs.extend(choices(&[1, flags, 0, 0]));
    }
    inputs.extend(choices(&[0, 0, 0]));
    inputs.extend(choices(&[0, 5, 1]));
    inputs
}

fn websocket() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for role in [0, 1] {
        for frame in frames() {
            // A message, whole; then in two fragments, with a ping between; then the end.
            let message = counted(&frame);
            let (first, second) = frame.split_at(frame.len() / 2);
            let parts = [
                vec![role, 0, 1, 30, 2, 3, 40, 16],
                message,
                vec![18],
                counted(first),
                vec![21, 2, b'h', b'i', 20],
                counted(second),
                vec![23, 2, 3, 232],
            ];
            inputs.push(parts.concat());
        }
        inputs.extend(choices(&[role, 0, 0, 4, 100, 7, 0, 3, 2, 50, 9]));
        inputs.extend(choices(&[role, 20, 1, 50, 2, 1, 100]));
    }
    inputs
}

fn handshake() -> Vec<Vec<u8>> {
    // The examples of RFC 6455, section 1.3.
    let request = b"\0GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let answer = b"\x64\x02\x11\x05HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    let refused =
        b"\x64\x02\x11\x05HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nnothing here";
    let mut inputs = vec![request.to_vec(), answer.to_vec(), refused.to_vec()];
    // The right answer as it is, with another header, and with a byte changed.
    inputs.push(vec![160, 2, 7, 30, 0]);
    inputs.push([&[160, 2, 7, 30][..], &counted(b"Server: some\r\n"), b"\x82\x02hi"].concat());
    inputs
        .push([&[163, 0][..], &counted(b"Sec-WebSocket-Protocol: chat\r\n"), &[9, b'3']].concat());
    inputs
}

fn envelope() -> Vec<Vec<u8>> {
    let mut inputs = vec![
        // With the AES key itself, past RSA.
        [&[0, 0, 0, 3][..], &scrape("AES_KEY"), &[0], &scrape("DATA_AES_ECB_PKCS5")].concat(),
        [&[0, 0, 0, 3][..], &scrape("AES_KEY"), &[1], &scrape("SNAPPY_RAW_BLOCK")].concat(),
        [&[0, 1, 0, 1, 0][..], &scrape("PLAIN_UTF8")].concat(),
        [&[0, 0, 0, 0, 0][..], &scrape("PLAIN_UTF8")].concat(),
    ];
    let sizes = 0..3;
    inputs.extend(
        sizes.map(|size| [&[128, size][..], &scrape("AES_KEY"), &scrape("PLAIN_UTF8")].concat()),
    );
    inputs
}

fn rsa() -> Vec<Vec<u8>> {
    let (wrapped, data) = sealed();
    let mut inputs = vec![
        [&[0][..], &scrape("SPKI")].concat(),
        b"\0plaintext".to_vec(),
        [&[250][..], &wrapped, &counted(&data)].concat(),
    ];
    // 1,024 and 8,192 bits, one less, and one more; none, and too many.
    let sizes: [(usize, u8); 7] =
        [(128, 0xff), (128, 0x7f), (129, 1), (1024, 0xff), (1025, 1), (0, 0), (2000, 3)];
    inputs.extend(sizes.map(|(len, mask)| {
        let (high, low) = ((len >> 3) as u8, (len & 7) as u8);
        vec![128, high, low, mask, 0, 0, 0, 1, 0, 1]
    }));
    let sizes = 0..3;
    inputs.extend(
        sizes.map(|size| [&[255, size, 9, size][..], &scrape("PLAIN_UTF8")[..64]].concat()),
    );
    inputs
}

fn snappy() -> Vec<Vec<u8>> {
    let mut inputs = vec![
        [&[0, 0][..], &scrape("SNAPPY_RAW_BLOCK")].concat(),
        [&[200, 0][..], &scrape("SNAPPY_RAW_BLOCK")].concat(),
        [&[0, 0][..], &scrape("SNAPPY_OF_EMPTY")].concat(),
        [&[0, 1, 0][..], &scrape("PLAIN_UTF8")].concat(),
        [&[0, 1, 63][..], &scrape("PLAIN_UTF8")[..40]].concat(),
        vec![0, 1, 3],
    ];
    for frame in frames().iter().take(10) {
        inputs.push([&[0, 0], &compressed(frame)[..]].concat());
    }
    inputs
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    prometheus_rsocket_protocol::envelope::compress(&bytes.repeat(5)).to_vec()
}

/// Each of these texts beside the next two, for every target.
fn hello() -> Vec<Vec<u8>> {
    let labels = Labels::new([("instance", "a1"), ("zone", "é")]).expect("good labels");
    let mut said = Hello::new(labels, "orders/1.4.2");
    said.openmetrics = true;
    said.seals_v2 = true;
    let fields: [&[u8]; 4] = [
        &[3, 0, 4, 1, b'a', b'x', b'y', 4, 0, 1, b'p', 5, 0, 0],
        &[1, 0, 1, 2, 2, 0, 1, 0, 2, 0, 1, 1, 200, 0, 2, 7, 7],
        &[3, 0, 4, 1, b'a', b'x', b'y', 3, 0, 3, 1, b'a', b'z'],
        &[4, 0, 9, b'p'],
    ];
    let report = Report::new(ReportKind::Reduced, "line 3, byte 7: not a number").encode();
    let hellos = fields.map(|fields| [&[1], fields].concat());
    let wholes = [[&[0], &said.encode()[..]].concat(), [&[2], &report[..]].concat()];
    let reports = [vec![3, 1, b'm'], vec![3, 9], vec![3]];
    [&hellos[..], &wholes, &reports].concat()
}

/// Offers and seals of the golden vectors, and one of each change.
fn seals() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for row in golden::rows(golden::ENVELOPE_2) {
        inputs.push(match row[..] {
            ["offer", metadata, ..] => [&[0], &golden::unhex(metadata)[..]].concat(),
            ["seal", _, _, _, metadata, ..] => [&[2, 0, 1], &golden::unhex(metadata)[..]].concat(),
            _ => panic!("{row:?}"),
        });
    }
    for change in 0..6 {
        for flags in 0..8_u8 {
            let flags = [flags & 1, flags >> 1 & 1, flags >> 2];
            inputs.push([&[3], &flags[..], &[5, change, 40, 0, 3], b"a 1\n"].concat());
        }
    }
    inputs
}

/// Whole ones, and what stands between the version and the checksum of others.
fn record() -> Vec<Vec<u8>> {
    let labels = Labels::new([("instance", "a1"), ("zone", "é")]).expect("good labels");
    let block = prometheus_rsocket_protocol::envelope::compress(b"up 1\n");
    let said = PushRecord { labels, is_said: true, is_proven: false, digest: [7; 32], block };
    let nobody = PushRecord { labels: Labels::default(), is_said: false, ..said.clone() };
    let wholes = [said, nobody].map(|record| record.encode(1_700_000_300_123).to_vec());
    let contents = wholes.clone().map(|whole| whole[8..whole.len() - 32].to_vec());
    let twice = [&contents[0][..41], &[2, 1, 0, 1, b'a', b'x', 1, 0, 1, b'a', b'y', 0, 0, 0, 0]];
    let cut = contents[0][..contents[0].len() - 1].to_vec();
    [&wholes[..], &contents, &[twice.concat(), cut]].concat()
}

fn render() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 8] = [
        b"# HELP a b\n# TYPE a counter\na_total{b=\"c\"} 1.5e3 1.5 # {x=\"y\"} 1 1\na_created{b=\"c\"} 1\n# EOF\n",
        b"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\nh 1\n",
        b"# TYPE h summary\nh{quantile=\"0.5\"} 1\nh_sum 1\nh_count 2\n# TYPE a gauge\na 2 5\n",
        b"# TYPE \"a.b\" gauge\n{\"a.b\", \"my.label\"=\"x\",my_label=\"\"} -Inf\na_b 1\n",
        b"# TYPE a info\na_info{v=\"1\"} 1\n# TYPE s stateset\ns{s=\"a\"} 1\n# UNIT t_b b\n# TYPE t_b unknown\nt_b 1\n# EOF\n",
        b"# TYPE a_total counter\na_total{app=\"x\",x=\"\\q\" y=\"\n\"} 1\n# TYPE a_created gauge\na_created 3\n",
        b"a_total x\nb 1\n# HELP b.c d\n",
        b"# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 1\ng_gcount 1\ng_gsum 2\n# EOF\n",
    ];
    let all = (0..texts.len()).flat_map(|first| (0..32).map(move |choices| (first, choices)));
    let beside = |(first, choices): (usize, u8)| {
        let three = texts.iter().cycle().skip(first).take(3).flat_map(|text| counted(text));
        std::iter::once(choices).chain(three).collect()
    };
    all.map(beside).collect()
}

fn text() -> Vec<Vec<u8>> {
    let others: [&[u8]; 8] = [
        b"# HELP a b\n# TYPE a counter\na_total{b=\"c\",d=\"e\\n\\\"\\\\\",} 1.5e3 1700000000000\n# EOF\n",
        b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum NaN\nh_count 1\n\n  # a comment\n",
        b"{\"my.metric\", \"my.label\"=\"x\"} -Inf\n",
        b"a 1 # {trace_id=\"x\"} 1\n",
        b"# EOF\n# EOF\nup 1\n# EOF",
        b"up{a=\"1\",a=\"2\"} 1\n",
        b"# TYPE a info\n",
        b"a\xff 1\n",
    ];
    let texts = std::iter::once(scrape("PLAIN_UTF8")).chain(others.map(<[u8]>::to_vec));
    texts
        .flat_map(|text| [[&[0], &text[..]].concat(), [&[192, 2, 60, 3], &text[..]].concat()])
        .collect()
}

/// Round after round, with pushes and jobs between.
fn session() -> Vec<Vec<u8>> {
    let round = [
        0, 0, 0, 1, 0, 1, 2, 1, 3, 0, 2, 0, 6, 6, 7, 0, 1, 9, 0, 5, 0, 1, 1, 6, 7, 0, 1, 1, 0, 10,
        0, 1,
    ];
    let mut inputs = vec![[&[0, 0], &round[..], &round[..]].concat()];
    for frame in prefixed() {
        // A hostile one beside an honest one; a round is under way.
        let heard = [&[0, 0, 0, 1, 0, 0, 2, 0, 12, 1, 0][..], &counted(&frame)].concat();
        inputs.push([&heard[..], &[3, 0, 2, 0, 6, 7, 0, 1, 9, 0]].concat());
    }
    inputs.extend(choices(&[0, 0]));
    inputs.extend(choices(&[1, 50, 30, 1]));
    inputs
}

/// It connects, hears a key, is scraped, and pushes; or does so at the third proxy.
fn agent() -> Vec<Vec<u8>> {
    let scraped = [2, 13, 1, 1, 0, 13, 1, 2, 1, 7, 5, 0, 1, 6, 1, 8];
    let pushed = [10, 1, 7, 5, 0, 1, 6, 1, 8, 13, 1, 0, 4, 7];
    let mut inputs: Vec<_> =
        (0..32).map(|flags| [&[flags, 40, 9, 20, 30][..], &scraped, &pushed].concat()).collect();
    // Two of three proxies fail, it is scraped by the third, pushes, and goes back to the first.
    let pushes = [10, 3, 10, 4, 7, 5, 0, 1, 6, 1, 8, 13, 1, 0, 4, 7];
    let back = [1, 7, 10, 6, 0, 8, 7, 2];
    for flags in [32, 33] {
        let parts = [&[flags, 2, 4, 4, 4][..], &scraped, &pushes, &back, &pushed];
        inputs.push(parts.concat());
    }
    for frame in prefixed() {
        inputs.push([&[6, 2, 8, 11][..], &counted(&frame), &[7, 8]].concat());
    }
    inputs.extend(choices(&[6]));
    inputs.extend(choices(&[31, 40, 9, 20, 30]));
    let der = scrape("SPKI");
    inputs.push([&[6, 2, 13, 0][..], &counted(&der), &[1, 0, 7]].concat());
    inputs
}
