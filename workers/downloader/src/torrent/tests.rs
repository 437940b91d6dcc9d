//! Selection, web seed links and Merkle pieces.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use videocloud_protocol::torrent::Info;
use videocloud_protocol::torrent::bencode::{Value, dict};
use videocloud_protocol::torrent::merkle::{self, BLOCK};

use super::*;

fn folder(files: &[(&str, i64)]) -> Info {
    let entry = |(path, length): &(&'static str, i64)| {
        let path = path.split('/').map(|part| Value::Bytes(part.as_bytes())).collect();
        dict([("length", Value::Int(*length)), ("path", Value::List(path))])
    };
    let files: Vec<(&'static str, i64)> = files.iter().map(|(p, l)| (&*String::leak((*p).to_owned()), *l)).collect();
    let total: i64 = files.iter().map(|(_, length)| length).sum();
    let pieces = vec![0; (total as usize).div_ceil(16_384) * 20];
    let value = dict([
        ("name", Value::Bytes(b"A Show")),
        ("piece length", Value::Int(16_384)),
        ("pieces", Value::Bytes(&pieces)),
        ("files", Value::List(files.iter().map(entry).collect())),
    ]);
    Info::parse(value.encode().into()).unwrap()
}

#[test]
fn the_largest_media_file_unless_a_path_is_given() {
    let info = folder(&[("extras.zip", 90_000), ("s1/e1.mkv", 50_000), ("s1/e2.MP4", 60_000), ("empty.mp4", 0)]);
    assert_eq!(select(&info, None), Ok(2));
    assert_eq!(select(&info, Some("s1/e1.mkv")), Ok(1));
    assert_eq!(select(&info, Some("A Show/s1/e1.mkv")), Ok(1));
    assert_eq!(select(&info, Some("/extras.zip")), Ok(0));
    for none in ["e1.mkv", "empty.mp4", "", "../s1/e1.mkv"] {
        let error = select(&info, Some(none)).unwrap_err();
        assert_eq!((error.files, &*error.largest), (4, "extras.zip"), "{none}");
    }
    assert_eq!(select(&folder(&[("a.zip", 1), ("b.iso", 2)]), None), Ok(1));
}

#[test]
fn web_seeds_are_folders_or_files() {
    let info = folder(&[("s1/e 1#.mkv", 50_000)]);
    let url = |seed: &str, info: &Info| file_url(&seed.parse().unwrap(), info, 0).unwrap().to_string();
    assert_eq!(url("http://w.example/t/", &info), "http://w.example/t/A%20Show/s1/e%201%23.mkv");
    let single = dict([
        ("name", Value::Bytes(b"a.mp4")),
        ("piece length", Value::Int(16_384)),
        ("pieces", Value::Bytes(&[0; 20])),
        ("length", Value::Int(10)),
    ]);
    let single = Info::parse(single.encode().into()).unwrap();
    assert_eq!(url("http://w.example/files/", &single), "http://w.example/files/a.mp4");
    assert_eq!(url("http://w.example/b.mp4?x=1", &single), "http://w.example/b.mp4?x=1");
}

#[test]
fn pieces_are_proven_by_a_layer() {
    let piece_length = 2 * BLOCK;
    let data: Vec<u8> = (0..5 * BLOCK + 100).map(|at| (at / 3) as u8).collect();
    let layer: Vec<merkle::Hash> = data.chunks(piece_length).map(|piece| merkle::root_of_bytes(piece, 2)).collect();
    let root = merkle::root(layer.clone(), 4, merkle::filler(2));
    let leaf = dict([("", dict([("length", Value::Int(data.len() as i64)), ("pieces root", Value::Bytes(&root))]))]);
    let value = dict([
        ("name", Value::Bytes(b"a")),
        ("piece length", Value::Int(piece_length as i64)),
        ("meta version", Value::Int(2)),
        ("file tree", dict([("a", leaf)])),
    ]);
    let info = Arc::new(Info::parse(value.encode().into()).unwrap());
    assert_eq!(Plan::new(Arc::clone(&info), 0, None).unwrap_err(), LayerNeeded);
    let plan = Plan::new(info, 0, Some(layer)).unwrap();
    for (index, bytes) in data.chunks(piece_length).enumerate() {
        let check = |bytes: &[u8]| {
            let mut assembly = Assembly::new(plan.piece(index as u32).unwrap());
            for (number, block) in bytes.chunks(BLOCK).enumerate() {
                assembly.put((number * BLOCK) as u32, block.to_vec().into()).unwrap();
            }
            assembly.finish().map(|content| content.concat())
        };
        assert_eq!(check(bytes).as_deref(), Ok(bytes));
        let mut wrong = bytes.to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(check(&wrong), Err(BadPiece(index as u32)));
    }
    let held = plan.content_of(|index| index != 1);
    assert_eq!(held.total(), data.len() as u64 - piece_length as u64);
}
