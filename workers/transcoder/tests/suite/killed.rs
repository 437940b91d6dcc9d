//! Twenty rounds of killing, at random moments, a run or one of the processes it started: the output is that of an undisturbed run.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};

use super::clips::{ffmpeg, greys, tone};

const ROUNDS: u32 = 20;
const STRIKES: u32 = 3;

const PROFILE: &str = "
kind: TranscodeProfile
metadata: {name: small}
spec:
  codec: H264
  width: 128
  height: 72
  rateControl: {crf: 24, maxBitrate: 500000}
  preset: VeryFast
  encoderThreads: 1
  keyframeSeconds: 1
  segmentSeconds: 1
  audio: {bitrate: 64000}
  thumbnails: {sprite: {intervalSeconds: 1, tileWidth: 64, columns: 3}}
";

/// Numbers that are random from one test run to the next; the seed is printed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

fn start(folder: &Path, out: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_videocloud-transcoder"));
    command.args(["run", "source.mp4", "--profile", "small.yaml", "--chunk-seconds", "2", "--workers", "2", "--out"]);
    command.arg(out).current_dir(folder).env("RUST_LOG", "error").kill_on_drop(true);
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

/// The processes that process `id` has started.
fn children(id: u32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks
        .map(of)
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Digests of every file but the report, which tells of time.
fn digests(out: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![out.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("report.json") {
                let name = path.strip_prefix(out).unwrap().display().to_string();
                found.insert(name, hex::encode(Sha256::digest(std::fs::read(&path).unwrap())));
            }
        }
    }
    found
}

#[tokio::test]
async fn twenty_rounds_of_killing_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let encode = "-c:v libx264 -preset ultrafast -g 40 -threads 1 -c:a aac";
    ffmpeg(folder.path(), &format!("{} {} {encode} source.mp4", greys("160x90", "25", 8), tone(8)));
    std::fs::write(folder.path().join("small.yaml"), PROFILE).unwrap();
    let undisturbed = folder.path().join("undisturbed");
    let began = Instant::now();
    assert!(start(folder.path(), &undisturbed).wait().await.unwrap().success());
    let took = u64::try_from(began.elapsed().as_millis()).unwrap();
    let expected = digests(&undisturbed);
    assert!(expected.contains_key("small/video.mp4") && expected.contains_key("thumbnails-1.jpg"), "{expected:?}");

    let mut dice = Dice(RandomState::new().hash_one(began));
    println!("seed {}", dice.0);
    let mut struck = [0, 0];
    for round in 0..ROUNDS {
        let out = folder.path().join(format!("round-{round}"));
        for strike in 0.. {
            let mut child = start(folder.path(), &out);
            let id = child.id().unwrap();
            if strike < STRIKES {
                // A kill falls wherever it falls; that is what is tested.
                tokio::time::sleep(Duration::from_millis(dice.below(took * 3 / 4))).await;
                let victims = children(id);
                let worker =
                    (dice.below(2) == 0).then(|| victims.get(dice.below(victims.len() as u64) as usize)).flatten();
                let victim = worker.copied().unwrap_or(i32::try_from(id).unwrap());
                if kill(Pid::from_raw(victim), Signal::SIGKILL).is_ok() {
                    struck[usize::from(worker.is_some())] += 1;
                }
            }
            let status = child.wait().await.unwrap();
            if status.success() {
                break;
            }
            // A killed child looks like one that ran out of memory; a killed run has no code.
            assert!(strike < STRIKES && matches!(status.code(), None | Some(20 | 31)), "round {round}: {status}");
        }
        assert_eq!(digests(&out), expected, "round {round}");
        std::fs::remove_dir_all(&out).unwrap();
    }
    println!("{} runs and {} of their processes killed", struck[0], struck[1]);
    assert!(struck.iter().all(|struck| *struck > 0), "{struck:?}");
}
