//! A store in a bucket and scratch that goes away with the node: what was stored is not fetched twice.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::MIB;
use super::support::moto::Moto;
use super::support::script::Scripted;
use super::support::{bytes, digest, downloader};

fn into_bucket(moto: &Moto, scratch: &Path, arguments: &[&str]) -> Command {
    let mut command = downloader(arguments);
    command.args(["--store", &moto.store()]).stdout(Stdio::piped());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("VIDEOCLOUD_SCRATCH", scratch);
    command
}

fn end(mut command: Command) -> (i32, Value) {
    let output = command.output().unwrap();
    let last = String::from_utf8(output.stdout).unwrap().lines().last().map(str::to_owned).unwrap_or_default();
    (output.status.code().unwrap(), serde_json::from_str(&last).unwrap_or_default())
}

#[test]
fn another_node_goes_on_from_the_parts_that_are_stored() {
    let moto = Moto::start();
    let content = bytes(41, 64 * MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| request.partial(&body));
    let (link, wanted) = (server.url("a"), digest(&content));
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let arguments = ["--source", &link, "--digest", &wanted];
    let mut child = into_bucket(&moto, first.path(), &[&arguments[..], &["--limit-rate", "4000000"]].concat());
    let mut child = child.spawn().unwrap();
    let events = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let done = |line: String| serde_json::from_str::<Value>(&line).unwrap()["done"].as_u64().unwrap_or(0);
    let had = events.map(done).find(|done| *done > 48 * MIB as u64).expect("it comes that far");
    child.kill().unwrap();
    child.wait().unwrap();
    let (exit, last) = end(into_bucket(&moto, second.path(), &arguments));
    assert_eq!(exit, 0, "{last}");
    assert_eq!(format!("sha256:{}", last["contentId"].as_str().unwrap()), wanted);
    let again = last["sources"][0]["bytes"].as_u64().unwrap();
    let rest = content.len() as u64 - had;
    // Lost are the parts that were not whole (8 MiB each, one per run of 8 connections at worst) and 5 s since the last checkpoint.
    assert!(
        again < content.len() as u64 - 8 * MIB as u64,
        "{again} of {} fetched again, {rest} were missing",
        content.len()
    );
}

#[test]
fn a_full_scratch_folder_is_said_and_more_room_goes_on() {
    let moto = Moto::start();
    let content = bytes(42, 12 * MIB);
    let body = content.clone();
    let server = Scripted::start(move |request| request.partial(&body));
    let (link, wanted) = (server.url("a"), digest(&content));
    let arguments = ["--source", &link, "--digest", &wanted];
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let volume = small.path().display().to_string();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs", &volume]).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("not run: only root may mount a volume of 4 MiB");
        return;
    }
    let (exit, last) = end(into_bucket(&moto, small.path(), &arguments));
    Command::new("umount").arg(&volume).status().unwrap();
    assert_eq!((exit, &last["reason"]), (31, &"ScratchFull".into()), "{last}");
    let (exit, last) = end(into_bucket(&moto, large.path(), &arguments));
    assert_eq!(exit, 0, "{last}");
}
