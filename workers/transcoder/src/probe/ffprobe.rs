//! ffprobe's description of the streams, read into [`SourceFacts`].

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use super::allowed::{AUDIO, Access, TEXT, VIDEO, access_args};
use super::facts::{AudioFacts, Ratio, SourceFacts, TextFacts, VideoFacts};
use super::limits::{MAX_AUDIO_TRACKS, MAX_DESCRIPTION, MAX_STREAMS, MAX_TEXT_TRACKS};
use super::sniff::Container;
use crate::child::{self, Heard, Invocation, verdict};
use crate::tools::Tools;

/// Describing reads heads and indexes only; a file that keeps ffprobe busy longer is hostile or on a broken disk.
const PATIENCE: Duration = Duration::from_secs(120);

const MJPEG: &str = "mjpeg";

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
    /// The first few.
    #[serde(default)]
    packets: Vec<FirstPacket>,
}

#[derive(Deserialize)]
struct FirstPacket {
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
struct Format {
    duration: Option<String>,
    start_time: Option<String>,
}

impl Format {
    /// Milliseconds from the first moment to the last.
    fn duration_millis(&self, container: Container) -> Option<u64> {
        let end = self.duration.as_deref().and_then(micros)?;
        // Matroska declares where its last block ends, the others how long they last.
        let start = match container {
            Container::Matroska => self.start_time.as_deref().and_then(micros).unwrap_or(0).clamp(0, end.max(0)),
            _ => 0,
        };
        Some((end - start).unsigned_abs() / 1000)
    }
}

#[derive(Deserialize)]
struct Stream {
    index: u32,
    #[serde(default)]
    codec_type: String,
    codec_name: Option<String>,
    #[serde(default)]
    codec_tag_string: String,
    width: Option<u32>,
    height: Option<u32>,
    sample_aspect_ratio: Option<String>,
    time_base: Option<String>,
    avg_frame_rate: Option<String>,
    nb_frames: Option<String>,
    field_order: Option<String>,
    color_transfer: Option<String>,
    channels: Option<u32>,
    start_time: Option<String>,
    #[serde(default)]
    disposition: HashMap<String, u8>,
    #[serde(default)]
    tags: HashMap<String, serde_json::Value>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
    side_data_type: Option<String>,
}

/// Runs ffprobe on `path` and reads its answer.
pub(super) async fn describe(
    tools: &Tools,
    path: &Path,
    container: Container,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<SourceFacts, Failure> {
    let mut args = vec!["-v".into(), "error".into()];
    args.extend(access_args(Access::Source(container)));
    args.extend(["-show_streams", "-show_format", "-show_packets", "-read_intervals", "%+#4"].map(Into::into));
    args.extend(["-of", "json"].map(Into::into));
    args.push(path.into());
    let invocation = Invocation {
        program: tools.ffprobe.clone(),
        args,
        folder: folder.to_path_buf(),
        readable: vec![path.to_path_buf()],
        stall: PATIENCE,
    };
    let mut text = String::new();
    let ended = child::run(&invocation, stop, |line| {
        text.push_str(line);
        text.push('\n');
        if text.len() > MAX_DESCRIPTION { Heard::Enough } else { Heard::Progress }
    })
    .await
    .map_err(|error| Failure::new(FailureClass::Transient, reason::INTERNAL, error.to_string()))?;
    if let Some(failure) = verdict::judge(&ended, verdict::Stage::Probe, "read the source's streams") {
        return Err(failure);
    }
    read(&text, container)
}

fn refuse(reason: &str, why: String) -> Failure {
    Failure::new(FailureClass::BadInput, reason, format!("failed to accept the source: {why}"))
}

/// Reads ffprobe's JSON.
///
/// # Errors
/// A [`Failure`] of class `BadInput` that says what is wrong with the source.
pub fn read(text: &str, container: Container) -> Result<SourceFacts, Failure> {
    let description: Description = serde_json::from_str(text)
        .map_err(|error| refuse(reason::NOT_MEDIA, format!("its description cannot be read ({error})")))?;
    if description.streams.len() >= MAX_STREAMS as usize {
        // ffprobe stops there; some demuxers only leave out what is beyond.
        return Err(refuse(reason::LIMITS_EXCEEDED, format!("it has {MAX_STREAMS} streams or more")));
    }
    let mut facts = SourceFacts {
        container: container.demuxer().to_owned(),
        duration_millis: description.format.duration_millis(container),
        video: None,
        audio: Vec::new(),
        text: Vec::new(),
    };
    // Encrypted samples look like noise to a decoder; say what it is instead.
    let locked = || refuse(reason::UNSUPPORTED_MEDIA, "it is encrypted".to_owned());
    let side_data = description.packets.iter().flat_map(|packet| &packet.side_data_list);
    if side_data.filter_map(|data| data.side_data_type.as_deref()).any(|kind| kind == "Encryption info") {
        return Err(locked());
    }
    let mut refused = None;
    for stream in &description.streams {
        let codec = stream.codec_name.as_deref().unwrap_or("unknown");
        let cover = ["attached_pic", "still_image", "timed_thumbnails"]
            .iter()
            .any(|flag| stream.disposition.get(*flag).is_some_and(|set| *set != 0));
        match stream.codec_type.as_str() {
            "video" | "audio" if stream.codec_tag_string.starts_with("enc") => return Err(locked()),
            "video" if cover => {}
            // Motion JPEG beside another picture is a cover that is not called one.
            "video" if facts.video.as_ref().is_some_and(|first| first.codec != MJPEG || codec == MJPEG) => {}
            "video" if VIDEO.contains(&codec) => facts.video = Some(video(stream, codec)?),
            "audio" if AUDIO.contains(&codec) && facts.audio.len() < MAX_AUDIO_TRACKS => {
                facts.audio.extend(audio(stream, codec))
            }
            "subtitle" if TEXT.contains(&codec) && facts.text.len() < MAX_TEXT_TRACKS => {
                facts.text.push(TextFacts { stream: stream.index, language: language(stream) });
            }
            "video" | "audio" => refused = refused.or(Some(codec.to_owned())),
            _ => {}
        }
    }
    if facts.video.is_none() && facts.audio.is_empty() {
        return Err(match refused {
            Some(codec) => {
                let codec: String = codec.chars().filter(char::is_ascii_graphic).take(32).collect();
                refuse(
                    reason::UNSUPPORTED_MEDIA,
                    format!("its codec {codec} is not on the list of codecs that are decoded"),
                )
            }
            None => refuse(reason::NOT_MEDIA, "it has no video and no audio".to_owned()),
        });
    }
    Ok(facts)
}

fn video(stream: &Stream, codec: &str) -> Result<VideoFacts, Failure> {
    let time_base = stream
        .time_base
        .as_deref()
        .and_then(Ratio::parse)
        .filter(|ratio| ratio.num > 0)
        .ok_or_else(|| refuse(reason::CORRUPT_MEDIA, "its video has no clock".to_owned()))?;
    let rotation = stream.side_data_list.iter().find_map(|data| data.rotation).unwrap_or(0.0);
    // ffprobe counts counter-clockwise, from -180 to 180. Anything but quarter turns is ignored, as players do.
    let clockwise = (-rotation).rem_euclid(360.0);
    let rotation =
        [90u16, 180, 270].into_iter().find(|quarter| (clockwise - f64::from(*quarter)).abs() < 1.0).unwrap_or(0);
    let transfer = stream.color_transfer.as_deref();
    Ok(VideoFacts {
        stream: stream.index,
        codec: codec.to_owned(),
        width: stream.width.unwrap_or(0),
        height: stream.height.unwrap_or(0),
        sample_aspect: stream
            .sample_aspect_ratio
            .as_deref()
            .and_then(Ratio::parse)
            .filter(|ratio| (0.1..=10.0).contains(&ratio.value()))
            .unwrap_or(Ratio { num: 1, den: 1 }),
        rotation,
        time_base,
        rate: stream.avg_frame_rate.as_deref().and_then(Ratio::parse).unwrap_or(Ratio { num: 0, den: 1 }),
        declared_frames: stream.nb_frames.as_deref().and_then(|text| text.parse().ok()),
        interlaced: matches!(stream.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt")),
        hdr: matches!(transfer, Some("smpte2084" | "arib-std-b67")),
    })
}

/// `None` for a track without channels, which some cameras leave empty.
fn audio(stream: &Stream, codec: &str) -> Option<AudioFacts> {
    Some(AudioFacts {
        stream: stream.index,
        codec: codec.to_owned(),
        channels: stream.channels.filter(|channels| (1..=64).contains(channels))?,
        language: language(stream),
        start_micros: stream.start_time.as_deref().and_then(micros).unwrap_or(0),
    })
}

/// The language tag if it looks like one: strangers write anything there, and it goes into playlists.
fn language(stream: &Stream) -> String {
    let tag = stream.tags.get("language").and_then(|value| value.as_str()).unwrap_or("und");
    let good = (2..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if good { tag.to_owned() } else { "und".to_owned() }
}

/// Decimal seconds as microseconds, without going through a float.
fn micros(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(sign * whole.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn covers_are_no_video_and_languages_are_checked() {
        let facts = read(
            r#"{"streams":[
                {"index":0,"codec_type":"video","codec_name":"mjpeg","disposition":{"attached_pic":1}},
                {"index":1,"codec_type":"video","codec_name":"h264","width":720,"height":576,"time_base":"1/12800",
                 "avg_frame_rate":"25/1","sample_aspect_ratio":"64:45","side_data_list":[{"rotation":-90}]},
                {"index":2,"codec_type":"audio","codec_name":"aac","channels":2,"start_time":"-0.021333",
                 "tags":{"language":"en\"\n"}}],"format":{"duration":"6.006000"}}"#,
            Container::Mov,
        )
        .unwrap();
        let video = facts.video.unwrap();
        assert_eq!((video.stream, video.rotation, video.display_size()), (1, 90, (576, 1024)));
        assert_eq!((facts.audio[0].language.as_str(), facts.audio[0].start_micros), ("und", -21_333));
        assert_eq!(facts.duration_millis, Some(6006));
    }

    #[test]
    fn refusals_say_why() {
        let of = |text| read(text, Container::Mov).unwrap_err();
        assert_eq!(of(r#"{"streams":[]}"#).reason, reason::NOT_MEDIA);
        let png = of(r#"{"streams":[{"index":0,"codec_type":"video","codec_name":"png"}]}"#);
        assert!(png.message.contains("png"), "{png}");
        let locked =
            of(r#"{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","codec_tag_string":"encv"}]}"#);
        assert!(locked.message.contains("encrypted"));
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in ".{0,200}") {
            let _ = read(&text, Container::Mov);
            let _ = micros(&text);
            let _ = Ratio::parse(&text);
        }
    }
}
