//! What others do with the same source, in the same ffmpeg: a whole-file job for each resolution, as PeerTube makes them, and a source
//! that is split by copying (`-f segment`), as most that use several machines do. Sound and playlists are left out of both.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

use videocloud_protocol::rendition::RenditionSettings;
use videocloud_transcoder::run::cpu_millis;

/// What one way of doing it took, and what became of the frames.
pub struct Way {
    pub name: &'static str,
    pub wall: f64,
    pub cpu: f64,
    /// Frames of the source that are not in the output; negative when some are there twice.
    pub lost: i64,
}

/// The place of the measurements.
pub struct Beside<'a> {
    pub ffmpeg: &'a Path,
    pub ffprobe: &'a Path,
    pub source: &'a Path,
    pub folder: &'a Path,
    pub ladder: &'a [RenditionSettings],
    /// Frames of the source.
    pub frames: i64,
}

impl Beside<'_> {
    /// One job after the other, each with both processors.
    pub fn whole_files(&self) -> Way {
        let (before, started) = (cpu_millis(), Instant::now());
        for one in self.ladder {
            let to = self.folder.join(format!("whole-file-{}.mp4", one.name));
            let mut ffmpeg = self.ffmpeg(self.source);
            ffmpeg.args(["-vf", &scale(one)]).args(encoder(one, 2)).arg(to);
            ended(ffmpeg.spawn().unwrap());
        }
        let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_since(before));
        let name = &self.ladder[0].name;
        let lost = self.frames - self.count(&self.folder.join(format!("whole-file-{name}.mp4")));
        Way { name: "a whole-file job per resolution", wall, cpu, lost }
    }

    /// Split without encoding, each piece into every resolution by one process, two processes at a time, joined without encoding.
    pub fn segments(&self, seconds: u32) -> Way {
        let (before, started) = (cpu_millis(), Instant::now());
        let pieces = self.folder.join("segments");
        std::fs::create_dir_all(&pieces).unwrap();
        let mut split = self.ffmpeg(self.source);
        split.args(["-map", "0:v:0", "-c", "copy", "-f", "segment", "-reset_timestamps", "1"]);
        split.args(["-segment_time", &seconds.to_string()]).arg(pieces.join("piece-%d.mp4"));
        ended(split.spawn().unwrap());
        let found = |number: &usize| pieces.join(format!("piece-{number}.mp4")).exists();
        let count = (0..).take_while(found).count();
        let numbers: Vec<usize> = (0..count).collect();
        for pair in numbers.chunks(2) {
            let started: Vec<Child> = pair.iter().map(|number| self.piece(&pieces, *number)).collect();
            started.into_iter().for_each(ended);
        }
        for one in self.ladder {
            let list: String = numbers.iter().map(|number| format!("file '{}-{number}.mp4'\n", one.name)).collect();
            let at = pieces.join(format!("{}.txt", one.name));
            std::fs::write(&at, list).unwrap();
            let mut join = Command::new(self.ffmpeg);
            join.args(["-v", "error", "-nostdin", "-y", "-f", "concat", "-i"]).arg(&at);
            ended(join.args(["-c", "copy"]).arg(self.joined(one)).spawn().unwrap());
        }
        let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_since(before));
        Way {
            name: "split by copying (-f segment)",
            wall,
            cpu,
            lost: self.frames - self.count(&self.joined(&self.ladder[0])),
        }
    }

    fn joined(&self, one: &RenditionSettings) -> PathBuf {
        self.folder.join(format!("segments-{}.mp4", one.name))
    }

    fn piece(&self, pieces: &Path, number: usize) -> Child {
        let mut ffmpeg = self.ffmpeg(&pieces.join(format!("piece-{number}.mp4")));
        let split: String = (0..self.ladder.len()).map(|index| format!("[s{index}]")).collect();
        let branches =
            self.ladder.iter().enumerate().map(|(index, one)| format!(";[s{index}]{}[r{index}]", scale(one)));
        let graph = format!("[0:v:0]split={}{split}{}", self.ladder.len(), branches.collect::<String>());
        ffmpeg.args(["-filter_complex", &graph]);
        for (index, one) in self.ladder.iter().enumerate() {
            ffmpeg.args(["-map", &format!("[r{index}]")]).args(encoder(one, 1));
            ffmpeg.arg(pieces.join(format!("{}-{number}.mp4", one.name)));
        }
        ffmpeg.spawn().unwrap()
    }

    fn ffmpeg(&self, input: &Path) -> Command {
        let mut command = Command::new(self.ffmpeg);
        command.args(["-v", "error", "-nostdin", "-y", "-i"]).arg(input);
        command
    }

    fn count(&self, file: &Path) -> i64 {
        count(self.ffprobe, file)
    }
}

/// Frames of a file, counted by decoding: a frame whose reference was cut off is not shown.
pub fn count(ffprobe: &Path, file: &Path) -> i64 {
    let mut command = Command::new(ffprobe);
    command.args(["-v", "error", "-select_streams", "v:0", "-count_frames", "-of", "csv=p=0"]);
    let output = command.args(["-show_entries", "stream=nb_read_frames"]).arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().trim_matches(',').parse().unwrap_or_else(|_| panic!("no count of {}", file.display()))
}

fn ended(mut child: Child) {
    assert!(child.wait().unwrap().success(), "ffmpeg failed");
}

fn cpu_since(before: u64) -> f64 {
    (cpu_millis() - before) as f64 / 1000.0
}

fn scale(one: &RenditionSettings) -> String {
    let (width, height) = (one.frame.width, one.frame.height);
    format!(
        "scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bicubic,format=yuv420p"
    )
}

/// The settings of the ladder: the same encoder, preset, factor and ceiling, and keyframes every two seconds.
fn encoder(one: &RenditionSettings, threads: u32) -> Vec<String> {
    let rate = &one.rate;
    let words = format!(
        "-an -c:v libx264 -preset medium -crf {} -maxrate {} -bufsize {} -sc_threshold 0 -force_key_frames expr:gte(t,n_forced*2) \
         -threads {threads}",
        rate.crf, rate.max_bits_per_second, rate.buffer_bits
    );
    words.split_whitespace().map(str::to_owned).collect()
}
