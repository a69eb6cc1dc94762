use proptest::prelude::*;

use super::*;

const MARINE: &str = "$GPRMC,210209.000,V,5347.5779,N,00754.1630,E,000.0,000.0,300717,,,N*77\r\n\
    !AIVDM,1,1,,A,14eG;o@034o8sd<L9i:a;WF>062D,0*7D\r\n\
    $IIMTW,17.9,C*1C\r\n";
const OLD_METER: &str =
    "/ISk5\\2MT382-1004\r\n\r\n0-0:96.1.1(00)\r\n1-0:1.8.1(00001.001*kWh)\r\n!\r\n";

/// A telegram of DSMR 5.
fn meter() -> String {
    include_str!("../text/testdata/dsmr5.txt").replace('\n', "\r\n")
}

fn framings() -> [Framing; 6] {
    use Framing::*;
    [Line, Block, Nmea, Dsmr, VeDirect, Sdi12]
}

/// What a framer says of a stream, in words.
fn told(mut framer: Framer, pieces: &[&[u8]]) -> Vec<String> {
    let mut told = Vec::new();
    let mut sink = |frame: Frame<'_>| {
        told.push(match frame {
            Frame::Good(bytes) => format!("good {}", bytes.escape_ascii()),
            Frame::Bad { bytes, why } => format!("bad {} {why:?}", bytes.escape_ascii()),
            Frame::Partial(bytes) => format!("partial {}", bytes.escape_ascii()),
        });
    };
    for piece in pieces {
        framer.push(piece, &mut sink);
    }
    framer.finish(&mut sink);
    told
}

fn check(framing: Framing, stream: &[u8], expected: &[&str]) {
    assert_eq!(told(Framer::new(framing, 1000), &[stream]), expected);
}

/// A block with its checksum.
fn block(fields: &str) -> Vec<u8> {
    let mut block = Vec::from("\r\n");
    block.extend(fields.replace(' ', "\r\n").replace('=', "\t").bytes());
    block.extend(b"\r\nChecksum\t");
    let sum = block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    block.push(0u8.wrapping_sub(sum));
    block
}

/// The goods of a stream that is joined at every place are those that begin there or later.
fn loses_only_the_first(framing: Framing, frames: &[Vec<u8>]) {
    let stream = frames.concat();
    let goods = |from: usize| {
        let mut told = told(Framer::new(framing, 2000).joining(), &[&stream[from..]]);
        assert!(
            told.iter().all(|line| !line.starts_with("bad")),
            "joined at {from}: {told:?}"
        );
        told.retain(|line| line.starts_with("good"));
        told
    };
    let all = goods(0);
    assert_eq!(all.len(), frames.len());
    for from in 0..stream.len() {
        let mut begin = 0;
        let whole = frames.iter().filter(|frame| {
            begin += frame.len();
            begin - frame.len() >= from
        });
        let expected = &all[frames.len() - whole.count()..];
        assert_eq!(goods(from), expected, "joined at {from}");
    }
}

#[test]
fn lines_end_in_any_way() {
    check(
        Framing::Line,
        b"a,1\r\n\r\n  \n\tb\rc\n\0\0d\n\ne",
        &["good a,1", "good \\tb", "good c", "good d", "good e"],
    );
}

#[test]
fn a_joined_line_is_partial_unless_there_was_silence() {
    let joining = || Framer::new(Framing::Line, 100).joining();
    assert_eq!(
        told(joining(), &[b"1.5\n21.5\n"]),
        ["partial 1.5", "good 21.5"]
    );
    let mut framer = joining();
    framer.finish(&mut |_| panic!("nothing was received"));
    assert_eq!(told(framer, &[b"1.5\n"]), ["good 1.5"]);
}

#[test]
fn blocks_end_with_an_empty_line() {
    check(
        Framing::Block,
        b"\r\na:1\r\nb:2\r\n\r\n\r\nc:3\r\n \t\r\nd:4",
        &["good a:1\\nb:2", "good c:3\\n \\t", "good d:4"],
    );
}

#[test]
fn what_is_too_long_is_bad_once() {
    let long = |framing, stream: &[u8]| told(Framer::new(framing, 8), &[stream]);
    let bad = "bad 12345678 TooLong(8)";
    assert_eq!(
        long(Framing::Line, b"12345678901234567890\nok\n"),
        [bad, "good ok"]
    );
    assert_eq!(
        long(Framing::Block, b"12345678901\n2\n\nok"),
        [bad, "good ok"]
    );
    assert_eq!(
        long(Framing::Nmea, b"$GPTXT,1234567890*00\r\n$A,1\r\n"),
        ["bad $GPTXT,1 TooLong(8)", "good $A,1"]
    );
    assert_eq!(
        long(
            Framing::Dsmr,
            b"/12345678901234567890\r\n!0000\r\n/a\r\n!\r\n"
        ),
        ["bad /1234567 TooLong(8)", "good /a\\r\\n!"]
    );
    let stream = [block(&"V=1 ".repeat(20)), block("V=2")].concat();
    let told = told(Framer::new(Framing::VeDirect, 30), &[&stream]);
    assert!(told[0].ends_with("TooLong(30)"), "{told:?}");
    assert_eq!(told.last().unwrap(), "good V\\t2");
}

#[test]
fn sentences_are_checked() {
    check(
        Framing::Nmea,
        b"booting\r\n$IIMTW,17.9,C*1C\r\n\0\r\nnoise$IIMTW,17.9,C*1B\r\n$IIMTW,1$IIMTW,17.9,C*1c\r\n\
          $IIMTW,17.9,C*1\r\n$IIMTW,17.9,C\r\n\\s:r1*22\\!AIXXX,1\r\n$IIM",
        &[
            "partial booting",
            "good $IIMTW,17.9,C*1C",
            "bad noise Stray",
            "bad $IIMTW,17.9,C*1B Checksum { stated: 27, computed: 28 }",
            "bad $IIMTW,1 Incomplete",
            "good $IIMTW,17.9,C*1c",
            "bad $IIMTW,17.9,C*1 NoChecksum",
            "good $IIMTW,17.9,C",
            "good !AIXXX,1",
            "bad $IIM Incomplete",
        ],
    );
}

#[test]
fn telegrams_are_checked() {
    let meter = meter();
    let broken = meter.replace("0230.0", "0280.0");
    let stream = ["!1234\r\n", &meter, &broken, "/cut", OLD_METER].concat();
    let told = told(Framer::new(Framing::Dsmr, 2000), &[stream.as_bytes()]);
    let starts = [
        "partial !1234",
        "good /ISk5",
        "bad /ISk5",
        "bad /cut Incomplete",
        "good /ISk5",
    ];
    assert_eq!(told.len(), starts.len(), "{told:?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
    assert!(
        told[2].ends_with("Checksum { stated: 28398, computed: 25807 }"),
        "{}",
        told[2]
    );
}

#[test]
fn objects_without_a_telegram_are_taken_and_its_end_is_not() {
    check(
        Framing::Dsmr,
        b"0-1:24.2.1(700101010000W)(00000000)\r\n1-0:1.8.0(006545766*Wh)\r\n",
        &["good 0-1:24.2.1(700101010000W)(00000000)\\r\\n1-0:1.8.0(006545766*Wh)"],
    );
    check(
        Framing::Dsmr,
        b"1-0:1.8.0(006545766*Wh)\r\n!6EEE\r\n",
        &["partial 1-0:1.8.0(006545766*Wh)\\r\\n!6EEE\\r\\n"],
    );
}

#[test]
fn hex_frames_may_come_anywhere_and_checksums_be_any_byte() {
    for number in 0..1000 {
        let fields = format!("PID=0xA042 V={number}");
        let good = format!("good PID\\t0xA042\\r\\nV\\t{number}");
        let whole = block(&fields);
        for at in 0..whole.len() {
            let mut block = whole.clone();
            block.splice(at..at, *b":A0102000543\n");
            // Behind the tab the byte is the checksum, unless it can't be.
            let told = told(Framer::new(Framing::VeDirect, 1000), &[&block, b"\r\n"]);
            assert_eq!(told, [good.as_str()], "{}", block.escape_ascii());
        }
    }
}

#[test]
fn a_block_of_a_solar_charger_adds_up() {
    let block = block(
        "PID=0xA042 FW=123 SER#=HQ1411MYIKN V=12540 I=650 VPV=32790 PPV=8 CS=3 ERR=0 LOAD=ON IL=0 \
         H19=8272 H20=0 H21=11 H22=25 H23=119 HSDS=274",
    );
    assert_eq!(block.last(), Some(&0xaa), "as the device sent it");
}

#[test]
fn a_bad_block_does_not_harm_the_next() {
    let mut bad = block("V=2");
    bad[4] ^= 1;
    let mut cut = block("V=4");
    cut.pop();
    let stream = [block("V=1"), bad, block("V=3"), cut, block("V=5")].concat();
    let told = told(Framer::new(Framing::VeDirect, 1000), &[&stream]);
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!([&told[0], &told[2]], ["good V\\t1", "good V\\t3"]);
    assert!(
        told[1].starts_with("bad") && told[3].starts_with("bad"),
        "{told:?}"
    );
}

#[test]
fn a_stream_that_is_joined_loses_only_its_first_frame() {
    loses_only_the_first(
        Framing::Nmea,
        &MARINE
            .split_inclusive("\r\n")
            .map(Vec::from)
            .collect::<Vec<_>>(),
    );
    loses_only_the_first(
        Framing::Dsmr,
        &[meter().into(), meter().into(), OLD_METER.into()],
    );
    let hex = b":A0102000543\n".to_vec();
    let first = [block("V=1 I=2"), hex].concat();
    loses_only_the_first(Framing::VeDirect, &[first, block("V=3 I=4"), block("V=5")]);
}

#[test]
fn noise_is_not_put_down_to_joining_for_ever() {
    let noise = b"garbage\r\n".repeat(20);
    let told = told(Framer::new(Framing::Nmea, 50), &[&noise]);
    assert!(told[0].starts_with("partial"));
    assert!(told.last().unwrap().ends_with("Stray"));
}

/// Bytes that the framings take notice of, in streams that make some sense.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(MARINE.as_bytes().to_vec()),
        Just(meter().into_bytes()),
        Just(OLD_METER.as_bytes().to_vec()),
        any::<u8>().prop_map(|number| block(&format!("V={number} I=7"))),
        prop::collection::vec(
            prop::sample::select(b"\r\n\t\0:!/$*\\(1-0.A,Checksum\xff".to_vec()),
            0..20
        ),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn cuts_make_no_difference(
        stream in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limit in prop_oneof![0..40usize, Just(2000)],
        joining: bool,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        for framing in framings() {
            let framer = || {
                let framer = Framer::new(framing, limit);
                if joining { framer.joining() } else { framer }
            };
            let whole = told(framer(), &[&stream]);
            prop_assert_eq!(&told(framer(), &pieces), &whole);
            prop_assert_eq!(&told(framer(), &bytes), &whole);
        }
    }
}
