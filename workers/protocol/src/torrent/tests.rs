//! Torrents made here: good ones are read as they were meant, hostile ones refused by name.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;

use super::bencode::{Value, dict};
use super::info::InfoError;
use super::*;

const PIECE: i64 = 32 << 10;

fn text(text: &str) -> Value<'_> {
    Value::Bytes(text.as_bytes())
}

fn info(value: &Value<'_>) -> Result<Info, InfoError> {
    Info::parse(value.encode().into())
}

/// A v1 torrent of files at `paths` with `lengths`.
fn files<'a>(files: &[(&[&'a str], i64)]) -> Value<'a> {
    let entry = |(path, length): &(&[&'a str], i64)| {
        let path = path.iter().map(|part| text(part)).collect();
        dict([("length", Value::Int(*length)), ("path", Value::List(path))])
    };
    Value::List(files.iter().map(entry).collect())
}

fn multi<'a>(list: Value<'a>, pieces: &'a [u8]) -> Value<'a> {
    dict([
        ("name", text("folder")),
        ("piece length", Value::Int(PIECE)),
        ("pieces", Value::Bytes(pieces)),
        ("files", list),
    ])
}

#[test]
fn a_v1_torrent_of_several_files() {
    let pieces = [7; 60];
    let info = info(&multi(files(&[(&["a", "b.mp4"], 40_000), (&["c.txt"], 30_000)]), &pieces)).unwrap();
    assert_eq!((info.name(), info.pieces(), info.total()), ("folder", 3, 70_000));
    assert_eq!(info.files()[1].offset, 40_000);
    assert_eq!((info.length_of(0), info.length_of(2), info.length_of(3)), (32_768, 4464, 0));
    assert_eq!(info.v1_hash(2), Some([7; 20]));
    assert_eq!(info.v1_hash(3), None);
    assert!(info.hashes().v2().is_none() && !info.is_single());
}

#[test]
fn hostile_v1_torrents_are_refused() {
    let sixty = [0; 60];
    let part = |path: &'static [&'static str]| info(&multi(files(&[(path, 70_000)]), &sixty)).unwrap_err();
    for path in [&["..", "etc", "passwd"][..], &["a", ".."], &["/etc/passwd"], &["a\\b"], &[""], &[], &["a\0"]] {
        assert!(matches!(part(path), InfoError::Path { .. }), "{path:?}");
    }
    let refused = |list, pieces| info(&multi(list, pieces)).unwrap_err();
    assert!(matches!(refused(files(&[(&["a"], -1)]), &sixty), InfoError::Length(_)));
    assert!(matches!(refused(files(&[(&["a"], i64::MAX), (&["b"], i64::MAX)]), &sixty), InfoError::Length(_)));
    assert!(matches!(refused(files(&[(&["a"], 1 << 49)]), &sixty), InfoError::TooManyPieces(_)));
    assert_eq!(refused(files(&[(&["a"], 70_000)]), &[0; 40]), InfoError::PieceHashes { found: 40, wanted: 60 });
    let twice = files(&[(&["a"], 35_000), (&["a"], 35_000)]);
    assert_eq!(refused(twice, &sixty), InfoError::Overlap("a".into()));
    let inside = files(&[(&["a"], 35_000), (&["a", "b"], 35_000)]);
    assert_eq!(refused(inside, &sixty), InfoError::Overlap("a/b".into()));
    assert_eq!(refused(files(&[]), &[]), InfoError::Empty);
    assert_eq!(refused(files(&[(&["a"], 0)]), &[]), InfoError::Empty);
    let pad = dict([("length", Value::Int(70_000)), ("path", Value::List(vec![text("pad")])), ("attr", text("p"))]);
    let Value::List(mut only_pads) = files(&[(&["a"], 0)]) else { unreachable!() };
    only_pads.push(pad);
    assert_eq!(refused(Value::List(only_pads), &sixty), InfoError::Empty);
    for length in [0, -1, 1, 1023, (32 << 20) + 1, i64::MAX] {
        let value = dict([
            ("name", text("a")),
            ("piece length", Value::Int(length)),
            ("pieces", Value::Bytes(&sixty)),
            ("length", Value::Int(70_000)),
        ]);
        assert_eq!(info(&value), Err(InfoError::PieceLength(length)));
    }
    let many: Vec<Value<'_>> = (0..=MAX_FILES).map(|_| dict([("length", Value::Int(0))])).collect();
    assert_eq!(refused(Value::List(many), &sixty), InfoError::TooManyFiles);
    assert_eq!(Info::parse(vec![b'l'; MAX_TORRENT_BYTES + 1].into()), Err(InfoError::TooLarge(MAX_TORRENT_BYTES + 1)));
}

fn leaf<'a>(length: i64, root: &'a [u8]) -> Value<'a> {
    dict([("", dict([("length", Value::Int(length)), ("pieces root", Value::Bytes(root))]))])
}

fn tree<'a>(tree: Value<'a>) -> Vec<(&'static [u8], Value<'a>)> {
    vec![
        (b"name", text("folder")),
        (b"piece length", Value::Int(PIECE)),
        (b"meta version", Value::Int(2)),
        (b"file tree", tree),
    ]
}

#[test]
fn v2_files_begin_pieces_and_hybrids_must_agree() {
    let root = [9; 32];
    let two = || dict([("a", leaf(40_000, &root)), ("b", dict([("c", leaf(10, &root))]))]);
    let second = info(&Value::Dict(tree(two()).into_iter().collect())).unwrap();
    assert_eq!(second.files().iter().map(|file| file.offset).collect::<Vec<_>>(), [0, 65_536]);
    assert_eq!((second.pieces(), second.total()), (3, 65_546));
    assert_eq!(second.hashes().swarms().len(), 1);

    let pad = dict([
        ("length", Value::Int(25_536)),
        ("path", Value::List(vec![text(".pad"), text("25536")])),
        ("attr", text("p")),
    ]);
    let v1 = |middle: Vec<Value<'static>>| {
        let Value::List(mut list) = files(&[(&["a"], 40_000), (&["b", "c"], 10)]) else { unreachable!() };
        let last = list.pop();
        list.extend(middle);
        list.extend(last);
        Value::List(list)
    };
    let hybrid = |list| {
        let mut pairs = tree(two());
        pairs.extend([(&b"files"[..], list), (b"pieces", Value::Bytes(&[1; 60]))]);
        info(&Value::Dict(pairs.into_iter().collect()))
    };
    let both = hybrid(v1(vec![pad])).unwrap();
    assert_eq!(both.files().len(), 2);
    assert_eq!(both.hashes().swarms().len(), 2);
    assert_eq!(both.v1_hash(0), Some([1; 20]));
    let shifted = dict([("length", Value::Int(30_000)), ("path", Value::List(vec![text("x")])), ("attr", text("p"))]);
    assert_eq!(hybrid(v1(vec![shifted])), Err(InfoError::HybridDiffers));
}

#[test]
fn hostile_v2_torrents_are_refused() {
    let root = [9; 32];
    let refused = |value| info(&Value::Dict(tree(value).into_iter().collect())).unwrap_err();
    assert!(matches!(refused(dict([("..", leaf(1, &root))])), InfoError::Path { .. }));
    assert!(matches!(refused(dict([("a", leaf(-1, &root))])), InfoError::Length(_)));
    assert!(matches!(refused(dict([("a", leaf(1, &root[..31]))])), InfoError::Key("pieces root")));
    assert!(matches!(refused(dict([("a", leaf(1 << 49, &root))])), InfoError::TooManyPieces(_)));
    let both = dict([("a", dict([("", dict([("length", Value::Int(0))])), ("b", leaf(1, &root))]))]);
    assert_eq!(refused(both), InfoError::Overlap("a".into()));
    let deep = (0..40).fold(leaf(1, &root), |inner, _| dict([("d", inner)]));
    assert!(matches!(refused(deep), InfoError::Path { why: PathError::TooLong, .. }));
    let mut odd = tree(dict([("a", leaf(1, &root))]));
    odd[1].1 = Value::Int(33 << 10);
    assert_eq!(info(&Value::Dict(odd.into_iter().collect())), Err(InfoError::PieceLength(33 << 10)));
}

#[test]
fn a_torrent_file_with_its_layers() {
    let layer = [[1; 32], [2; 32], [3; 32]];
    let root = merkle::root(layer.to_vec(), 4, merkle::filler(2));
    let inner = || Value::Dict(tree(dict([("a", leaf(70_000, &root))])).into_iter().collect());
    let with = |layers: Vec<u8>| {
        let layers = Value::Dict([(&root[..], Value::Bytes(&layers))].into_iter().collect());
        let trackers = Value::List(vec![
            Value::List(vec![text("http://a.example/announce"), text("javascript:x")]),
            Value::List(vec![text("udp://b.example:80")]),
        ]);
        let outer = dict([
            ("info", inner()),
            ("piece layers", layers),
            ("announce", text("http://ignored.example/")),
            ("announce-list", trackers),
            ("url-list", text("http://w.example/files/")),
            ("nodes", Value::List(vec![Value::List(vec![text("n.example"), Value::Int(6881)])])),
        ]);
        Metainfo::parse(&Bytes::from(outer.encode()))
    };
    let read = with(layer.concat()).unwrap();
    assert_eq!(read.layers.get(&root).unwrap(), &layer);
    assert_eq!(read.tiers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(read.web_seeds[0].as_str(), "http://w.example/files/");
    assert_eq!(read.nodes, [("n.example".to_owned(), 6881)]);
    assert_eq!(read.info.hashes().v2(), Some(V2Hash::of(&inner().encode())));
    assert_eq!(with(vec![1; 96]).unwrap_err(), MetainfoError::Layer("a".into()));
    assert_eq!(with(layer[..2].concat()).unwrap_err(), MetainfoError::Layer("a".into()));
}

proptest! {
    #[test]
    fn a_damaged_torrent_never_breaks_the_reader(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
        let root = [9; 32];
        let mut pairs = tree(dict([("a", leaf(40_000, &root)), ("b", dict([("c", leaf(10, &root))]))]));
        pairs.push((b"pieces", Value::Bytes(&[1; 60])));
        pairs.push((b"files", files(&[(&["a"], 40_000), (&["b", "c"], 10)])));
        let inner = Value::Dict(pairs.into_iter().collect());
        let mut document = dict([("info", inner), ("announce", text("http://a.example/"))]).encode();
        let end = document.len();
        document[at % end] = byte;
        document.truncate(end - cut % end);
        if let Ok(read) = Metainfo::parse(&document.into()) {
            prop_assert!(read.info.total() > 0 && read.info.pieces() <= MAX_PIECES);
            prop_assert!(read.info.files().iter().all(|file| file.end() <= read.info.total()));
        }
    }
}
